//! A program with a way out reaches the listed hosts through the proxy, and nothing else by any other way.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use miteos_sandbox::Limits;

use super::bench::{Bench, Run, everywhere, probe};

/// A server of this machine that greets whoever connects.
fn greeter() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // What is not read would take the answer back.
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"hello from outside");
        }
    });
    port
}

fn with_proxy(run: Run, port: u16) -> Run {
    Run { proxy: Some((vec!["packages.example:443".to_owned()], port)), ..run }
}

#[test]
fn listed_hosts_are_reached_and_nothing_else() {
    let port = greeter();
    let beside = TcpListener::bind("127.0.0.1:0").unwrap();
    let beside_port = beside.local_addr().unwrap().port().to_string();
    for (who, with) in everywhere() {
        let bench = Bench::new(who);
        let attacks: Vec<(Vec<&str>, &str)> = vec![
            (vec!["through-proxy", "CONNECT", "packages.example:443"], "ESCAPED"),
            (vec!["through-proxy", "CONNECT", "PACKAGES.example:443"], "ESCAPED"),
            (vec!["through-proxy", "CONNECT", "other.example:443"], "403"),
            (vec!["through-proxy", "CONNECT", "packages.example:22"], "403"),
            (vec!["through-proxy", "CONNECT", "packages.example.:443"], "403"),
            (vec!["through-proxy", "CONNECT", "sub.packages.example:443"], "403"),
            (vec!["through-proxy", "CONNECT", "packages.example.other.example:443"], "403"),
            (vec!["through-proxy", "CONNECT", "packages.example@other.example:443"], "403"),
            (vec!["through-proxy", "CONNECT", "127.0.0.1:443"], "403"),
            (vec!["through-proxy", "CONNECT", "[::1]:443"], "403"),
            (vec!["through-proxy", "CONNECT", "2130706433:443"], "403"),
            (vec!["through-proxy", "CONNECT", "169.254.169.254:80"], "403"),
            (vec!["through-proxy", "CONNECT", "localhost:443"], "403"),
            // Who shares the registry's machine is asked for in the tunnel itself.
            (vec!["through-proxy-to-neighbour", "packages.example:443", "neighbour.example"], "closed"),
            (vec!["through-proxy", "GET", "http://packages.example/"], "405"),
            (vec!["through-proxy", "POST", "http://169.254.169.254/"], "405"),
            // Past the proxy there is no network at all.
            (vec!["tcp", &beside_port], "blocked"),
            (vec!["udp", &beside_port], "blocked"),
            (vec!["proxy-port"], "blocked"),
            (vec!["family", "vsock"], "blocked"),
            (vec!["user-namespace", "unshare"], "blocked"),
            (vec!["inherited-file"], "blocked"),
        ];
        let runs: Vec<_> = attacks
            .iter()
            .map(|(words, _)| {
                let words: Vec<&str> = ["attack"].into_iter().chain(words.iter().copied()).collect();
                with_proxy(probe(&words), port)
            })
            .collect();
        let mut wrong = Vec::new();
        for (result, (words, expected)) in bench.drive(with, &runs).results.into_iter().zip(&attacks) {
            let answer = result.map_or_else(|error| error, |outcome| outcome.stdout.to_text());
            let right = match *expected {
                "ESCAPED" => answer.starts_with("ESCAPED") && answer.contains("hello from outside"),
                status => answer.starts_with("blocked") && answer.contains(status),
            };
            if !right {
                wrong.push(format!("{words:?}: {answer}"));
            }
        }
        assert!(wrong.is_empty(), "{who:?} {with:?}:\n{}", wrong.join("\n"));
    }
}

/// A run without a way out has no proxy, and one with it has no more than its own.
#[test]
fn without_a_way_out_there_is_no_proxy() {
    for (who, with) in everywhere() {
        let bench = Bench::new(who);
        let answer =
            bench.output(with, probe(&["attack", "through-proxy", "CONNECT", "packages.example:443"]));
        assert!(answer.contains("no proxy is named"), "{who:?} {with:?} {answer}");
        let script = "echo $HTTPS_PROXY $https_proxy $HTTP_PROXY $NO_PROXY";
        let told = bench.output(with, with_proxy(super::bench::run(&["sh", "-c", script]), 9));
        let one = "http://127.0.0.1:3128";
        assert_eq!(told, format!("{one} {one} {one} localhost,127.0.0.1,::1\n"), "{who:?} {with:?}");
    }
}

/// Many at once, as a package manager has them: none is lost.
#[test]
fn a_hundred_tunnels_at_once_all_work() {
    let port = greeter();
    for (who, with) in everywhere() {
        let script = "i=0; while [ $i -lt 100 ]; do \
                      ./probe attack through-proxy CONNECT packages.example:443 & i=$((i+1)); done; wait";
        let limits =
            Limits { processes: 256, wall_ms: Duration::from_secs(60).as_millis() as u64, ..Limits::build() };
        let run = Run { limits, ..super::bench::run(&["sh", "-c", script]) };
        let text = Bench::new(who).output(with, with_proxy(run, port));
        assert_eq!(text.matches("hello from outside").count(), 100, "{who:?} {with:?} {text}");
    }
}
