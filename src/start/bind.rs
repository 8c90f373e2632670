//! The sockets: bound as soon as they are named, or taken from a service manager that has bound them.

use super::{Exit, Start};
use crate::cluster;
use crate::config::Transport;
use crate::features::{DUAL_STACK, V6};
use crate::limits::UDP_RECEIVE_BUFFER;
use crate::sys::handed::Handed;
use crate::sys::socket::{bind_udp, listen_tcp};
use std::net::{Ipv4Addr, SocketAddr};

impl Start {
    /// Binds an address, or takes what the service manager has bound there.
    pub(super) fn bind(&mut self, transport: Transport, address: SocketAddr) -> Result<(), Exit> {
        check_family(address)?;
        if let Some(plan) = &mut self.plan {
            self.idle_workers &= transport == Transport::Tcp;
            plan.bind(transport, address);
            return Ok(());
        }
        if transport != Transport::Udp {
            let handed = self.take_handed(true, address).map(|handed| handed.socket);
            self.sockets.listeners.push(handed.map_or_else(|| listen_tcp(address), Ok)?);
        }
        if transport != Transport::Tcp {
            let handed = self.take_handed(false, address).map(|handed| handed.socket);
            let socket = handed.map_or_else(|| bind_udp(address, UDP_RECEIVE_BUFFER), Ok)?;
            self.sockets.udp.push((socket, self.udp_workers));
            self.idle_workers = false;
        }
        Ok(())
    }

    /// Takes a socket that the service manager has bound to this address, if there is one.
    fn take_handed(&mut self, is_tcp: bool, address: SocketAddr) -> Option<Handed> {
        let at = self.handed.iter().position(|handed| (handed.is_tcp, handed.address) == (is_tcp, address))?;
        Some(self.handed.remove(at))
    }

    /// Serves the sockets that the service manager has bound to addresses that nothing names.
    pub(super) fn serve_handed(&mut self) -> Result<(), Exit> {
        for Handed { socket, address, is_tcp } in std::mem::take(&mut self.handed) {
            check_family(address)?;
            if is_tcp {
                self.sockets.listeners.push(socket);
            } else {
                self.sockets.udp.push((socket, self.udp_workers));
                self.idle_workers = false;
            }
        }
        Ok(())
    }

    /// Joins the cluster at this address.
    pub(super) fn join_cluster(&mut self, address: SocketAddr) -> Result<(), Exit> {
        if self.sockets.cluster.is_some() || self.plan.as_ref().is_some_and(|plan| plan.has_cluster) {
            return Err(Exit::fatal("Error: Livesync listen ip specified twice.\n"));
        }
        let address = match address {
            // the default of a dual-stack build; the group is one of IPv4
            SocketAddr::V6(any) if DUAL_STACK && any.ip().is_unspecified() => {
                SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), any.port())
            }
            address => address,
        };
        let SocketAddr::V4(address) = address else {
            return Err(Exit::fatal("v6 mcast support not yet available.\n"));
        };
        if let Some(plan) = &mut self.plan {
            plan.has_cluster = true;
            return Ok(());
        }
        self.sockets.cluster = Some(cluster::Sockets::join(address)?);
        Ok(())
    }
}

/// Fails where this build has no peers of an address's family (as the original).
fn check_family(address: SocketAddr) -> Result<(), Exit> {
    if DUAL_STACK || address.is_ipv6() == V6 {
        return Ok(());
    }
    let family = if V6 { "V6" } else { "V4" };
    Err(Exit::fatal(format!("{family} Tracker is {family} only!\n")))
}
