//! The sandbox from outside: every attack and every limit, for real, with each backend and as each kind of user.
//!
//! A root test process also runs everything as an ordinary user, by starting the helper program as one. Both
//! backends must be there: a machine without bubblewrap fails these tests and says so.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "tests start their own helper program")]

mod it {
    mod attacks;
    mod bench;
    mod egress;
    mod library;
    mod lifetime;
    mod limits;
    mod programs;
    mod refusal;
}
