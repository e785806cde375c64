//! How much is asked at once, and what a dead BMC costs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use muster::observed::FailureKind;
use muster::pace::Limits;
use muster::redfish::Options;
use tokio::net::TcpSocket;
use tokio::task::JoinSet;

use super::bmc::{Bmc, Flight, ROOT, Reply, credential, grounds, options};

#[tokio::test]
async fn neither_bound_is_ever_exceeded() {
    let all = Arc::new(Flight::default());
    let mut bmcs = Vec::new();
    for _ in 0..6 {
        let own = Arc::new(Flight::default());
        let bmc = Bmc::start(None, vec![Arc::clone(&all), Arc::clone(&own)], |asked| {
            let reply = match asked.method.as_str() {
                "POST" => Reply::Full(201, vec![("X-Auth-Token", "t".into())], "{}".into()),
                _ => Reply::ok(ROOT),
            };
            Reply::After(Duration::from_millis(10), Box::new(reply))
        });
        bmcs.push((Arc::new(bmc.await), own));
    }
    let limits = Limits { global: 7, ..Limits::default() };
    let grounds = grounds(Options { limits, ..options() });
    let mut surveys = JoinSet::new();
    // Two surveys of every BMC at once, each asking for many resources at once.
    for (bmc, _) in bmcs.iter().chain(&bmcs) {
        let (bmc, grounds) = (Arc::clone(bmc), Arc::clone(&grounds));
        surveys.spawn(async move {
            let client = Arc::new(bmc.open(&grounds, credential()).await.unwrap());
            let mut gets = JoinSet::new();
            for at in 0..12 {
                let client = Arc::clone(&client);
                gets.spawn(async move { client.get(&format!("/redfish/v1/{at}")).await.unwrap() });
            }
            gets.join_all().await;
        });
    }
    surveys.join_all().await;
    assert_eq!(all.most(), 7, "the global bound is used, and held");
    for (bmc, own) in &bmcs {
        assert_eq!(own.most(), 2, "the bound of a BMC is used, and held");
        assert_eq!(bmc.lines().iter().filter(|line| line.starts_with("GET")).count(), 2 * 13);
    }
}

#[tokio::test]
async fn a_dead_bmc_costs_only_probes() {
    let bmc = Bmc::plain(|_| Reply::Stuck(vec![])).await;
    let limits = Limits { rest_base: 1000, rest_cap: 2000, ..Limits::default() };
    let request_timeout = Duration::from_millis(200);
    let grounds = grounds(Options { limits, request_timeout, ..options() });
    // When each request began, and how many tries cost nothing.
    let (mut tried, mut free) = (Vec::new(), 0);
    while tried.len() < 5 {
        let began = Instant::now();
        match bmc.open(&grounds, None).await.unwrap_err().kind {
            FailureKind::TimedOut => tried.push(began),
            FailureKind::Resting => free += 1,
            other => panic!("{other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(tried.len(), bmc.connections(), "each try is one request");
    assert!(free > 0, "tries while it rests cost nothing");
    // Three strikes, then a probe after each rest: of 750 ms or more, then of 1.5 s or more.
    let between = |at: usize| tried[at] - tried[at - 1];
    assert!(between(3) >= Duration::from_millis(750), "{:?}", between(3));
    assert!(between(4) >= Duration::from_millis(1500), "{:?}", between(4));
}

#[tokio::test]
async fn a_bmc_that_comes_back_is_found_by_the_probe() {
    let bmc = Bmc::plain(|asked| if asked.nth < 3 { Reply::Stuck(vec![]) } else { Reply::ok(ROOT) }).await;
    // Longer than a busy machine stops this test for.
    let limits = Limits { rest_base: 2000, ..Limits::default() };
    let request_timeout = Duration::from_millis(400);
    let grounds = grounds(Options { limits, request_timeout, ..options() });
    for _ in 0..3 {
        assert_eq!(bmc.open(&grounds, None).await.unwrap_err().kind, FailureKind::TimedOut);
    }
    let failure = bmc.open(&grounds, None).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Resting);
    assert!(failure.why.contains("timed-out"), "it says why: {failure}");
    let failed = loop {
        match bmc.open(&grounds, None).await {
            Ok(_) => break None,
            Err(failure) if failure.kind == FailureKind::Resting => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(failure) => break Some(failure),
        }
    };
    assert!(failed.is_none(), "{failed:?}");
}

#[tokio::test]
async fn a_port_that_nothing_listens_at_is_refused_and_left_alone() {
    // Bound and not listening, so that the port stays ours.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let addr = socket.local_addr().unwrap();
    let bmc = Bmc::plain(|_| Reply::ok(ROOT)).await;
    let mut endpoint = bmc.endpoint(muster::redfish::TlsRule::Verify);
    endpoint.connect = Some(url::Url::parse(&format!("http://{addr}")).unwrap());
    let grounds = grounds(options());
    let mut kinds = Vec::new();
    for _ in 0..5 {
        kinds.push(muster::redfish::Client::open(&grounds, endpoint.clone(), None).await.unwrap_err().kind);
    }
    use FailureKind::{Refused, Resting};
    assert_eq!(kinds, [Refused, Refused, Refused, Resting, Resting]);
    assert_eq!(bmc.connections(), 0, "the origin of git is not asked where the host rewrites it");
}

#[tokio::test]
async fn a_busy_bmc_is_left_alone_as_long_as_it_asks() {
    let bmc = Bmc::plain(|asked| match asked.nth {
        1 => Reply::Full(503, vec![("Retry-After", "1".into())], "{}".into()),
        _ => Reply::ok(ROOT),
    })
    .await;
    let client = bmc.open(&grounds(options()), None).await.unwrap();
    let began = Instant::now();
    client.get("/redfish/v1/Systems").await.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(1), "it came back after {:?}", began.elapsed());
    assert_eq!(bmc.count("GET /redfish/v1/Systems"), 2);
}

#[tokio::test]
async fn one_that_stays_busy_is_asked_three_times() {
    let bmc = Bmc::plain(|asked| if asked.nth == 0 { Reply::ok(ROOT) } else { Reply::status(502) }).await;
    let limits = Limits { hold_base: 10, ..Limits::default() };
    let client = bmc.open(&grounds(Options { limits, ..options() }), None).await.unwrap();
    assert_eq!(client.get("/redfish/v1/Systems").await.unwrap_err().kind, FailureKind::ServerError);
    assert_eq!(bmc.count("GET /redfish/v1/Systems"), 3);
}

#[tokio::test]
async fn a_request_that_is_cancelled_gives_its_place_back() {
    let bmc = Bmc::plain(|asked| match asked.path.as_str() {
        "/redfish/v1/stuck" => Reply::Stuck(vec![]),
        _ => Reply::ok(ROOT),
    })
    .await;
    let limits = Limits { per_bmc: 1, global: 1, ..Limits::default() };
    let client = bmc.open(&grounds(Options { limits, ..options() }), None).await.unwrap();
    for _ in 0..3 {
        let stuck = client.get("/redfish/v1/stuck");
        assert!(tokio::time::timeout(Duration::from_millis(50), stuck).await.is_err());
    }
    client.get("/redfish/v1/Systems").await.unwrap();
}
