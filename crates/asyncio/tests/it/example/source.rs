//! The examples as modules.

/// Makes a module of each example, and the list of their `main`s.
macro_rules! examples {
    ($($(#[$attribute:meta])* $name:ident $path:literal)*) => {
        $(
            $(#[$attribute])*
            #[path = $path]
            pub mod $name;
        )*

        pub const EXAMPLES: &[(&str, fn())] = &[$($(#[$attribute])* (stringify!($name), $name::main)),*];
    };
}

examples! {
    chat "../../../examples/chat.rs"
    crawler "../../../examples/crawler.rs"
    http_server "../../../examples/http_server.rs"
    protocol_echo "../../../examples/protocol_echo.rs"
    signals "../../../examples/signals.rs"
    subprocess "../../../examples/subprocess.rs"
    tcp_echo "../../../examples/tcp_echo.rs"
    #[cfg(feature = "tls")]
    tls_echo "../../../examples/tls_echo.rs"
    udp_echo "../../../examples/udp_echo.rs"
}
