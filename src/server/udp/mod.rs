//! The UDP protocol: the sockets, and the threads that receive and send for them where the operator wants some.

mod service;
mod workers;

pub(super) use service::Service;
