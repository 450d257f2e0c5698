//! What every storage backend must do, and what SQLite must do beyond that.
//!
//! The conformance suite is written against [`harness::Backend`]; another backend adds one line to each list.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod blobs;
mod collection;
mod deployments;
mod durability;
mod faults;
mod harness;
mod journal;
mod nouns;
mod previews;
mod tasks;
mod webhooks;

/// Makes a test for every function of a suite.
macro_rules! conformance {
    ($backend:ty, $suite:ident: $($test:ident),* $(,)?) => {
        mod $suite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    crate::$suite::$test(&<$backend as crate::harness::Backend>::new()).await;
                }
            )*
        }
    };
}

mod sqlite {
    conformance!(crate::harness::Sqlite, journal:
        an_append_is_read_back,
        a_task_is_made_once,
        a_stale_append_is_refused_and_writes_nothing,
        of_fifty_appenders_one_wins_each_version,
        public_records_count_without_gap,
        contradictions_are_refused,
        a_load_reads_only_what_follows_the_snapshot,
        an_older_snapshot_does_not_replace_a_newer_one,
        the_feed_of_an_account_is_in_commit_order,
        an_answer_is_stored_with_its_effect,
        a_failed_append_leaves_no_trace,
        everything_is_there_after_closing_and_opening,
    );
    conformance!(crate::harness::Sqlite, tasks:
        lists_page_and_count,
        lists_are_of_one_account_and_world,
        unfinished_tasks_are_walked_by_id,
        timers_are_found_by_time,
        due_tasks_are_read_in_pages,
        places_and_queues_are_counted,
        agents_lead_to_their_task,
    );
    conformance!(crate::harness::Sqlite, nouns:
        accounts_are_unique,
        workspace_names_are_unique_per_account_and_world,
        a_busy_workspace_is_not_deleted,
        a_task_needs_a_workspace_of_its_account,
        notes_are_recalled_by_words,
        notes_have_limits,
        keys_are_found_by_hash_and_revoked_once,
        the_last_key_that_makes_keys_stays,
        marks_of_keys_are_replaced_and_go_with_them,
        usage_is_added_up_in_the_append,
        approvals_are_listed_by_status,
        deliverables_are_listed,
        answers_are_stored_once_and_forgotten_by_age,
        a_closed_store_says_so,
    );
    conformance!(crate::harness::Sqlite, deployments:
        records_of_deployments_stand_in_the_feed_of_the_account,
        one_at_a_time_for_files_and_target,
        one_that_is_over_takes_its_place_again,
        a_deployment_needs_its_workspace_and_its_configuration,
        configurations_change_as_they_were_read,
        logs_are_read_on_from_any_line,
    );
    conformance!(crate::harness::Sqlite, webhooks:
        a_webhook_begins_with_the_present,
        webhooks_are_listed_by_world_and_counted,
        a_webhook_changes_where_it_is_told_to,
        a_rotation_keeps_the_secret_before,
        events_are_taken_once,
        a_disabled_webhook_takes_nothing,
        attempts_are_recorded_once_and_move_the_webhook,
        days_of_failures_disable_a_webhook,
        settled_deliveries_are_forgotten_and_waiting_ones_kept,
        a_waiting_delivery_can_be_hurried,
        a_hurry_and_its_answer_are_stored_together,
        what_was_passed_over_with_another_list_is_not_skipped,
        what_was_not_sent_says_nothing_of_the_receiver,
    );
    conformance!(crate::harness::Sqlite, previews:
        a_preview_keeps_its_label_and_what_was_decided,
        a_deleted_preview_stays_deleted,
        shares_are_found_by_hash_until_they_end,
        shares_have_a_limit_and_an_answer,
        all_doors_can_be_closed_at_once,
        what_is_public_is_listed_by_account_and_world,
        links_to_previews_go_with_what_they_open,
        previews_are_added_up_by_account,
    );
    conformance!(crate::harness::Sqlite, collection:
        what_nothing_names_goes_after_the_grace,
        the_files_of_a_deleted_preview_go_and_those_of_others_stay,
        a_site_whose_list_is_lost_holds_up_no_other,
        what_is_found_or_held_is_not_taken_from_under_anybody,
        whatever_happens_what_is_named_is_there,
    );
    conformance!(crate::harness::Sqlite, blobs:
        small_values_come_back_and_are_stored_once,
        a_big_value_streams_in_and_out,
        parts_can_be_read,
        a_failing_stream_stores_nothing,
        what_is_not_what_was_named_is_not_stored,
        names_cannot_leave_the_folder,
        the_same_value_put_by_many_at_once,
    );
}
