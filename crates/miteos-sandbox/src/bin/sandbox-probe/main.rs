//! The tests' helper program and the attacks they run.
//!
//! `attack NAME …` tries one thing and prints `ESCAPED …` or `blocked …`. `strain NAME …` uses up something.
//! `drive` reads a list of runs and does them through the library, so that tests can be any user.

mod attack;
mod drive;
mod raw;
mod strain;

use std::error::Error;
use std::io::Write;

type Outcome = Result<String, Box<dyn Error>>;

fn main() -> Result<(), Box<dyn Error>> {
    miteos_sandbox::run_helper_if_asked();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["attack", name, rest @ ..] => {
            let line = match attack::run(name, rest) {
                Ok(detail) => format!("ESCAPED {name}: {detail}\n"),
                Err(error) => format!("blocked {name}: {error}\n"),
            };
            std::io::stdout().write_all(line.as_bytes())?;
        }
        ["strain", name, rest @ ..] => {
            let line = strain::run(name, rest)?;
            std::io::stdout().write_all(line.as_bytes())?;
        }
        ["drive"] => drive::main()?,
        _ => return Err("usage: sandbox-probe attack|strain NAME …, or drive".into()),
    }
    Ok(())
}
