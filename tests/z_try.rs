//! x
mod support;
use support::world::{Options, World};
#[tokio::test(flavor = "multi_thread")]
async fn ready() -> anyhow::Result<()> {
    let world = World::start(Options{pre_event_s:5, ..Options::default()}, std::path::Path::new("/tmp/zt")).await?;
    let id = world.press().await?;
    let api = world.api("daulet").await?;
    let i = api.incident_when(&id, "rec", |i| i["recording"]["fragments"].as_u64() > Some(5)).await?;
    println!("{i:#}\n{:#}", world.status().await?);
    println!("{}", api.get("/api/gateway").await?);
    world.stop().await
}
