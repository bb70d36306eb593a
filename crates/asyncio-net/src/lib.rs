//! Transports and protocols, streams, servers, datagrams, sockets and name look-up for asyncio.
