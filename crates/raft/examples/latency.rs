//! Measures the log of a group of one: the round trip of a proposal, and throughput with many in flight.
//!
//! `cargo run -p skep-raft --example latency -- [DIRECTORY]`; the directory decides which disk is measured.

use std::path::Path;
use std::time::{Duration, Instant};

use skep_raft::{Bootstrap, Config, Delivery, Log, ProposalId, SealKey};
use tokio::sync::mpsc::Receiver;

const PROPOSAL_BYTES: usize = 1_024;
const ROUND_TRIPS: u64 = 500;
const PIPELINED: u64 = 10_000;
const IN_FLIGHT: u64 = 64;

type Failure = Box<dyn std::error::Error>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let parent = std::env::args().nth(1).unwrap_or_else(|| std::env::temp_dir().display().to_string());
    let dir = tempfile::tempdir_in(parent)?;
    println!("one fdatasync of 4 KiB: {:?} (median of 200)", sync_cost(dir.path())?);

    let key = SealKey::generate()?;
    let (log, _, mut deliveries) =
        Log::open(Config::new(dir.path().join("log"), 1, key.clone(), Bootstrap::Found))?;
    while !matches!(next(&mut deliveries).await?, Delivery::Leader(leader) if leader.is_self) {}

    let mut samples = Vec::new();
    for id in 0..ROUND_TRIPS {
        let begun = Instant::now();
        log.propose(ProposalId(id), vec![7; PROPOSAL_BYTES])?;
        committed(&mut deliveries).await?;
        samples.push(begun.elapsed());
    }
    samples.sort_unstable();
    let at = |percent: usize| samples[(samples.len() - 1) * percent / 100];
    println!("one proposal of 1 KiB: p50 {:?}, p90 {:?}, p99 {:?}", at(50), at(90), at(99));

    let begun = Instant::now();
    let mut proposed = 0;
    for done in 0..PIPELINED {
        while proposed < PIPELINED && proposed - done < IN_FLIGHT {
            log.propose(ProposalId(proposed), vec![7; PROPOSAL_BYTES])?;
            proposed += 1;
        }
        committed(&mut deliveries).await?;
    }
    let rate = PIPELINED as f64 / begun.elapsed().as_secs_f64();
    println!("{IN_FLIGHT} in flight: {rate:.0} proposals of 1 KiB per second");

    let begun = Instant::now();
    log.shutdown().await;
    println!("shutdown: {:?}", begun.elapsed());

    let begun = Instant::now();
    let config = Config::new(dir.path().join("log"), 1, key, Bootstrap::Found);
    let (log, recovered, mut deliveries) = Log::open(config)?;
    while !matches!(next(&mut deliveries).await?, Delivery::Leader(leader) if leader.is_self) {}
    println!("open with {} entries, to leadership: {:?}", recovered.entries.len(), begun.elapsed());
    log.shutdown().await;
    Ok(())
}

async fn next(deliveries: &mut Receiver<Delivery>) -> Result<Delivery, Failure> {
    match deliveries.recv().await {
        Some(Delivery::Failed(error)) => Err(error.into()),
        Some(delivery) => Ok(delivery),
        None => Err("the log stopped".into()),
    }
}

async fn committed(deliveries: &mut Receiver<Delivery>) -> Result<(), Failure> {
    while !matches!(next(deliveries).await?, Delivery::Committed { proposal: Some(_), .. }) {}
    Ok(())
}

/// Returns what the disk alone costs, to compare with.
fn sync_cost(dir: &Path) -> Result<Duration, Failure> {
    use std::os::unix::fs::FileExt;
    let file = std::fs::File::create(dir.join("sync"))?;
    file.write_all_at(&[0; 1 << 16], 0)?;
    file.sync_all()?;
    let mut samples = Vec::new();
    for _ in 0..200 {
        let begun = Instant::now();
        file.write_all_at(&[7; 4_096], 0)?;
        file.sync_data()?;
        samples.push(begun.elapsed());
    }
    samples.sort_unstable();
    Ok(samples[samples.len() / 2])
}
