fn main(){ for l in std::io::stdin().lines() { println!("{}", conformance::interpreter::run(&l.unwrap()).trace); } }
