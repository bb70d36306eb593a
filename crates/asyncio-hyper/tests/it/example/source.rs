//! The examples as modules.

#[path = "../../../examples/hyper_client.rs"]
mod hyper_client;
#[path = "../../../examples/hyper_server.rs"]
mod hyper_server;

pub const EXAMPLES: &[(&str, fn())] = &[("hyper_client", hyper_client::main), ("hyper_server", hyper_server::main)];
