//! What the bench reads of the kernel, Redis, `perf`, `pg_stat_statements` and the worker. Here, because a bench runs no tests
//! of its own.

#[path = "../../benches/throughput/profile/parse.rs"]
mod parse;

use join_community::operations::Meters;
use join_community::postgres::STATEMENTS;
use parse::{Histogram, commands, counted, histogram, listening, number, shares, statement};

#[test]
fn a_number_is_found_by_its_whole_name() {
    let status = "VmRSS:\t   12 kB\nnonvoluntary_ctxt_switches:\t3\nvoluntary_ctxt_switches:\t4\nName:\tworker\n";
    for (name, found) in [
        ("VmRSS", Some(12)),
        ("voluntary_ctxt_switches", Some(4)),
        ("nonvoluntary_ctxt_switches", Some(3)),
        ("voluntary", None),
        ("Name", None),
        ("syscr", None),
    ] {
        assert_eq!(number(status, name), found, "{name}");
    }
    // The kernel's own, whatever it has.
    let io = std::fs::read_to_string("/proc/self/io").unwrap();
    assert!(number(&io, "syscr") > Some(0), "{io}");
}

#[test]
fn calls_of_a_command_are_told_apart_from_those_of_its_kind() {
    let info = "# Commandstats\r\n\
                cmdstat_hget:calls=6,usec=3165,usec_per_call=527.50,rejected_calls=1,failed_calls=2\r\n\
                cmdstat_config|get:calls=7,usec=8,usec_per_call=1.14,rejected_calls=0,failed_calls=0\r\n\
                cmdstat_broken:usec=8\r\n";
    let read: Vec<(String, [u64; 2])> = commands(info).into_iter().collect();
    assert_eq!(read, [("config|get".to_owned(), [7, 8]), ("hget".to_owned(), [6, 3165])]);
}

#[test]
fn shares_of_samples_are_read_with_and_without_the_names_of_functions() {
    let report = "# Samples: 276  of event 'cpu-clock:ppp'\n\
                  #\n\
                  # Overhead|Command    |Shared Object    |Symbol\n \
                  60.00%  |swapper    |[kernel.kallsyms]|[k] pv_native_safe_halt\n \
                  8.70%  |tokio-rt-worker|join-community|[.] 0x0000000000123456\n \
                  1.25%  |other    |library.so.1     |[.] Flags::operator|\n\n#\n# (Tip: none)\n";
    let read = shares(report);
    let told: Vec<_> = read
        .iter()
        .map(|share| {
            (share.percent, share.thread.as_str(), share.object.as_str(), share.symbol.as_str(), share.is_named())
        })
        .collect();
    assert_eq!(
        told,
        [
            (60.0, "swapper", "[kernel.kallsyms]", "[k] pv_native_safe_halt", true),
            (8.7, "tokio-rt-worker", "join-community", "[.] 0x0000000000123456", false),
            (1.25, "other", "library.so.1", "[.] Flags::operator|", true),
        ]
    );
}

#[test]
fn an_event_that_was_not_counted_is_not_zero() {
    let event = "raw_syscalls:sys_enter";
    assert_eq!(counted("\n29,,raw_syscalls:sys_enter,581197,100.00,,\n", event), Some(29));
    assert_eq!(counted("<not counted>,,raw_syscalls:sys_enter,0,100.00,,\n", event), None);
    assert_eq!(counted("29,,another:event,581197,100.00,,\n", event), None);
}

#[test]
fn a_histogram_of_the_worker_is_read_as_it_is_written() {
    let meters = Meters::register().unwrap();
    let look = || histogram(&meters.render(), "join_community_confirm_seconds", r#"of="event""#).unwrap();
    let confirms = |of: &str, each: f64, count: usize| meters.confirm.of(of).record_many(each, count);
    confirms("event", 0.3, 7);
    let before = look();
    confirms("event", 0.0008, 50);
    confirms("event", 0.002, 40);
    confirms("event", 9.0, 10);
    confirms("copy", 0.3, 1000);
    let is_about = |read: Option<f64>, expected: f64| {
        assert!(read.is_some_and(|read| (read - expected).abs() < 1e-9), "{read:?} is not {expected}");
    };
    let since = look().since(&before);
    is_about(Some(since.count()), 100.0);
    is_about(since.mean(), 0.9012);
    // Half of all lie between the bounds 0.0005 and 0.001, two fifths between 0.001 and 0.0025, the rest above the last, 5.
    is_about(since.percentile(25.0), 0.00075);
    is_about(since.percentile(70.0), 0.00175);
    is_about(since.percentile(99.0), 5.0);
}

#[test]
fn of_a_histogram_with_nothing_in_it_nothing_is_told() {
    assert!(histogram("# TYPE join_community_batch_seconds histogram\n", "join_community_batch_seconds", "").is_none());
    let empty = Histogram::default();
    assert_eq!((empty.mean(), empty.percentile(50.0)), (None, None));
    let meters = Meters::register().unwrap();
    let unused = histogram(&meters.render(), "join_community_batch_seconds", "").unwrap();
    assert_eq!((unused.mean(), unused.percentile(50.0)), (None, None));
}

#[test]
fn where_the_worker_tells_its_metrics_is_read_off_its_log_in_either_form() {
    let human = "2026-11-30T00:00:00Z  INFO join_community::app: connected to 127.0.0.1:5679\n\
                 2026-11-30T00:00:00Z  INFO join_community::cli::run: operations server listens: /livez, /readyz, /metrics, \
                 the console at / address=127.0.0.1:40123\n";
    let json =
        r#"{"level":"INFO","message":"operations server listens: /livez","address":"127.0.0.1:40123","target":"x"}"#;
    assert_eq!(listening(human), Some("127.0.0.1:40123"));
    assert_eq!(listening(json), Some("127.0.0.1:40123"));
    assert_eq!(listening("connected to 127.0.0.1:5679"), None);
}

#[test]
fn every_statement_of_the_worker_is_known_by_its_text() {
    for (name, sql) in STATEMENTS {
        assert_eq!(statement(sql, STATEMENTS), *name);
    }
}

#[test]
fn a_statement_is_known_with_parameters_for_its_literals() {
    let (_, commit) = STATEMENTS.iter().find(|(name, _)| *name == "commit").unwrap();
    let counted = commit.replace("'joined'", "$19").replace("'PUBLIC'", "$20");
    assert!(counted.contains("$19") && counted != *commit, "{counted}");
    assert_eq!(statement(&counted, STATEMENTS), "commit");
}

#[test]
fn a_statement_that_nobody_named_is_shown_by_its_first_words() {
    assert_eq!(statement("BEGIN", STATEMENTS), "BEGIN");
    let long = format!("-- Why.\n  SELECT  {}", "a, ".repeat(50));
    let shown = statement(&long, STATEMENTS);
    assert!(shown.starts_with("SELECT a, a,") && shown.len() == 60, "{shown}");
}
