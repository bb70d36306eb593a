//! Name look-up.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use asyncio_net::{
    AddrInfoFlags, AddrInfoHints, Family, LookupError, LoopSockets, NameInfoFlags, SocketKind, getaddrinfo, resolve,
};

use crate::loopback::run;

#[test]
fn literals_need_no_look_up_and_keep_to_the_hints() {
    run(|this| async move {
        let stream = AddrInfoHints { kind: Some(SocketKind::Stream), ..AddrInfoHints::default() };
        for literal in ["127.0.0.1", "::1"] {
            let found = this.getaddrinfo(literal, 80, stream).await.unwrap();
            assert_eq!(found.len(), 1);
            assert_eq!(found[0].address, SocketAddr::new(literal.parse().unwrap(), 80));
            assert_eq!((found[0].kind, found[0].family), (Some(SocketKind::Stream), Family::of(&found[0].address)));
        }
        let error =
            this.getaddrinfo("::1", 80, AddrInfoHints { family: Some(Family::V4), ..stream }).await.unwrap_err();
        assert!(error.get_ref().unwrap().downcast_ref::<LookupError>().is_some(), "{error}");
        assert!(error.to_string().contains("`::1`"), "{error}");
        // Each kind of socket has an answer of its own; on Windows one stands for all.
        let kinds: Vec<_> = this
            .getaddrinfo("127.0.0.1", None::<u16>, AddrInfoHints::default())
            .await
            .unwrap()
            .iter()
            .map(|info| info.kind)
            .collect();
        let all = kinds.contains(&Some(SocketKind::Stream)) && kinds.contains(&Some(SocketKind::Datagram));
        assert!(all || cfg!(windows) && kinds == [None], "{kinds:?}");
    });
}

#[test]
fn localhost_is_this_machine() {
    run(|this| async move {
        let hints = AddrInfoHints { kind: Some(SocketKind::Stream), ..AddrInfoHints::default() };
        let found = this.getaddrinfo("localhost", 80, hints).await.unwrap();
        assert!(!found.is_empty());
        assert!(found.iter().all(|info| info.address.ip().is_loopback() && info.address.port() == 80), "{found:?}");
        let v4 = AddrInfoHints { family: Some(Family::V4), flags: AddrInfoFlags::CANONICAL_NAME, ..hints };
        let found = this.getaddrinfo("localhost", 80, v4).await.unwrap();
        assert_eq!(found[0].address.ip(), IpAddr::V4(Ipv4Addr::LOCALHOST));
        assert!(found[0].canonical_name.is_some());
        let found = resolve(("localhost", 80)).await.unwrap();
        assert!(found.contains(&(Ipv4Addr::LOCALHOST, 80).into()), "{found:?}");
    });
}

#[test]
fn without_a_host_it_is_loopback_or_everything() {
    run(|this| async move {
        let hints =
            AddrInfoHints { family: Some(Family::V4), kind: Some(SocketKind::Stream), ..AddrInfoHints::default() };
        let passive = AddrInfoHints { flags: AddrInfoFlags::PASSIVE, ..hints };
        assert!(this.getaddrinfo(None, 80, hints).await.unwrap()[0].address.ip().is_loopback());
        assert!(this.getaddrinfo(None, 80, passive).await.unwrap()[0].address.ip().is_unspecified());
        assert!(this.getaddrinfo("", 80, passive).await.unwrap()[0].address.ip().is_unspecified());
    });
}

#[test]
fn what_cannot_be_looked_up_is_an_error() {
    run(|_| async move {
        let hints = AddrInfoHints::default();
        assert!(getaddrinfo("a\0b", 80, hints).await.unwrap_err().to_string().contains("zero byte"));
        assert!(getaddrinfo("127.0.0.1", "no such service", hints).await.is_err());
        let numeric = AddrInfoHints { flags: AddrInfoFlags::NUMERIC_HOST, ..hints };
        let error = getaddrinfo("localhost", 80, numeric).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
        assert!(resolve(std::path::Path::new("/tmp/x")).await.is_err());
    });
}

#[test]
fn names_of_addresses() {
    run(|this| async move {
        let address: SocketAddr = ([127, 0, 0, 1], 80).into();
        let numbers = NameInfoFlags::NUMERIC_HOST | NameInfoFlags::NUMERIC_SERVICE;
        assert_eq!(this.getnameinfo(address, numbers).await.unwrap(), ("127.0.0.1".into(), "80".into()));
        let (host, service) = this.getnameinfo(address, NameInfoFlags::NUMERIC_SERVICE).await.unwrap();
        assert!(!host.is_empty());
        assert_eq!(service, "80");
    });
}

#[test]
fn a_cancelled_look_up_is_left_to_its_thread() {
    run(|this| async move {
        let this2 = this.clone();
        let task =
            asyncio_executor::create_task(
                async move { this2.getaddrinfo("localhost", 80, AddrInfoHints::default()).await },
            );
        asyncio_executor::yield_now().await;
        task.cancel();
        crate::loopback::settle().await;
        assert!(task.cancelled() || task.done());
    });
}
