//! How the database means to answer a query, for tests: by an index and not by reading everything.

use rusqlite::Connection;

use crate::migrations;

/// Each of (query, how many parameters it has, what its plan must hold) is answered so, and no plan holds any of `never`.
pub fn assert_planned(queries: &[(&str, usize, &str)], never: &[&str]) {
    let db = Connection::open_in_memory().unwrap();
    migrations::migrate(&db).unwrap();
    for (sql, parameters, expected) in queries {
        assert_in_order(sql);
        let mut explain = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let values = rusqlite::params_from_iter(vec!["1"; *parameters]);
        let plan = explain.query_map(values, |row| row.get::<_, String>(3)).unwrap();
        let plan = plan.collect::<Result<Vec<_>, _>>().unwrap().join("; ");
        assert!(plan.contains(expected), "{sql}\n{plan}");
        for word in never {
            assert!(!plan.contains(word), "{sql}\n{plan}");
        }
    }
}

/// SQLite numbers `$n` by where it stands first, whatever n is: out of order, values land in the wrong places.
fn assert_in_order(sql: &str) {
    let mut known = 0;
    for behind in sql.split('$').skip(1) {
        let digits: String = behind.chars().take_while(char::is_ascii_digit).collect();
        let number: u32 = digits.parse().unwrap();
        assert!(number <= known + 1, "${number} stands before ${}: {sql}", known + 1);
        known = known.max(number);
    }
}
