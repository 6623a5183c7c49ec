//! `ready`: whether the worker of this configuration takes requests, for a container that holds no other program to ask
//! with. Separate from `check`, which asks the services.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;

use super::Context;

/// Below the five seconds that the image's health check has.
const PATIENCE: Duration = Duration::from_secs(3);

/// Arguments of `ready`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
///
/// # Errors
/// If there is no server to ask, or it does not answer.
pub async fn run(_args: Args, context: &Context) -> anyhow::Result<ExitCode> {
    let listen = &context.config.http.listen;
    let address: SocketAddr = listen.parse().context("http.listen is empty: there is no operations server to ask")?;
    let answer = tokio::task::spawn_blocking(move || ask(here(address))).await?;
    let answer = answer.with_context(|| format!("no worker answers at {listen} (http.listen)"))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    context.output.data(&format!("{}\n", body.trim_end()))?;
    let is_ready = head.split(' ').nth(1) == Some("200");
    Ok(if is_ready { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Where a server that listens there is reached from this machine.
fn here(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

fn ask(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    // HTTP/1.0: the server closes the connection after its answer.
    stream.write_all(b"GET /readyz HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::here;

    #[test]
    fn a_server_that_listens_everywhere_is_asked_on_the_loopback() {
        for (listens, asked) in
            [("0.0.0.0:8080", "127.0.0.1:8080"), ("[::]:1", "[::1]:1"), ("10.0.0.1:80", "10.0.0.1:80")]
        {
            assert_eq!(here(listens.parse().unwrap()), asked.parse::<SocketAddr>().unwrap());
        }
    }
}
