//! HTTPS: every address has a certificate of its own, and the fleet's CA vouches for it.

use super::{Options, Sim, options, world};
use muster::simulate::Choices;

fn client(ca: Option<&str>) -> reqwest::Client {
    let mut builder = reqwest::Client::builder().no_proxy();
    if let Some(pem) = ca {
        builder = builder.tls_certs_only([reqwest::Certificate::from_pem(pem.as_bytes()).unwrap()]);
    }
    builder.build().unwrap()
}

#[test]
fn the_ca_vouches_for_each_address() {
    let sim = Sim::of(world(&Choices::default()), Options { tls: true, ..options() });
    let other = Sim::of(world(&Choices::default()), Options { tls: true, ..options() });
    let get = |client: &reqwest::Client, bmc: usize| {
        let url = format!("{}/redfish/v1/", sim.running().origin(bmc));
        sim.runtime.block_on(async { client.get(url).send().await.map(|answer| answer.status().as_u16()) })
    };
    let good = client(sim.running().ca());
    for bmc in 0..3 {
        assert_eq!(get(&good, bmc).unwrap(), 200, "BMC {bmc}");
    }
    assert!(get(&client(other.running().ca()), 0).is_err(), "another fleet's CA does not");
    assert!(get(&client(None), 0).is_err(), "nor do those of this host");
}
