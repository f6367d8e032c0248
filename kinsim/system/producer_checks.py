"""Settings of a producer that contradict each other or would change nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kinsim.errors import SettingError

if TYPE_CHECKING:
    from kinsim.system.producer import Producer, Retry

SDK_MODES = ("standard", "standard-2026", "adaptive")
"""Modes of the newer SDKs: three attempts, fixed waits, a retry quota (aws:R3 to R5)."""

ONLY_FOR = {
    "api": ("sdk",),
    "batch_size": ("sdk",),
    "flush_s": ("sdk", "cloudwatch_logs"),
    "retry": ("direct", "sdk", "cloudwatch_logs"),
    "kpl": ("kpl",),
    "agent": ("agent",),
    "on_partial_failure": ("sdk",),
    "buffer": ("direct", "sdk"),
    "distribution": ("cloudwatch_logs",),
    "max_record_size_bytes": ("cloudwatch_logs",),
    "max_log_events": ("cloudwatch_logs",),
    "delivery_delay_s": ("cloudwatch_logs",),
    "gzip": ("cloudwatch_logs",),
}
"""Settings that mean something for some models only."""

INSTEAD = {
    ("kpl", "batch_size"): "kpl.collection_max_count",
    ("kpl", "flush"): "kpl.record_max_buffered_time",
    ("kpl", "retry"): "kpl.record_ttl: it sends again at once until then (aws:K7)",
    ("agent", "batch_size"): "agent.max_buffer_records",
    ("agent", "flush"): "agent.max_buffer_age",
    ("agent", "retry"): "agent.retry_initial_backoff and retry_max_backoff, without limit (aws:A2)",
    ("agent", "buffer"): "agent.publish_queue_capacity, and the files behind it",
}
"""What a model calls the settings that others have, in its own words."""


# -- retries -------------------------------------------------------------------------------------------------


def check_retry(retry: Retry) -> None:
    """Refuse what a mode fixes, and waits and attempts that make no sense."""
    if retry.mode == "none" and (given := _given(retry)):
        raise SettingError(f"mode none does not retry, but {given} is set", help="write mode: backoff, or remove it")
    if retry.mode == "legacy" and _overrides_legacy(retry):
        raise SettingError(
            "mode legacy has fixed waits of U(0, 1) * 2^(k-1) s (boto)", help="write mode: backoff to choose them"
        )
    if retry.mode in SDK_MODES and (retry.base_s, retry.cap_s, retry.jitter) != (None, None, None):
        raise SettingError(
            f"mode {retry.mode} has fixed waits of U(0, 1) * min(2^(k-1), 20) s (boto)",
            help="write mode: backoff to choose them",
        )
    if retry.max_attempts is not None and retry.max_attempts < 1:
        raise SettingError(
            "0 attempts would offer nothing", help="1 is the first offer alone, -1 no limit", at=("max_attempts",)
        )
    if retry.cap_s is not None and retry.base_s is not None and retry.cap_s < retry.base_s:
        raise SettingError(f"{retry.cap_s:g} s is below base, {retry.base_s:g} s", help="raise it", at=("cap",))
    if retry.base_s == 0:
        raise SettingError("a wait of 0 would offer the record again at the same instant", at=("base",))


def _given(retry: Retry) -> str:
    fields = type(retry).model_fields
    set_ones = (name for name in retry.model_fields_set - {"mode"} if getattr(retry, name) is not None)
    return ", ".join(sorted(fields[name].alias or name for name in set_ones))


def _overrides_legacy(retry: Retry) -> bool:
    return retry.base_s not in (None, 1.0) or retry.jitter not in (None, "full") or retry.cap_s is not None


# -- the whole -----------------------------------------------------------------------------------------------


def check_producer(producer: Producer, api: str, retries: bool) -> None:
    """Refuse settings that the model lacks, or that another one makes meaningless.

    *api* is what an application calls, *retries* whether records are ever sent again.
    """
    _check_model(producer)
    if producer.model == "sdk" and api == "PutRecord":
        _check_single_calls(producer)
    if producer.buffer is not None and not retries:
        raise SettingError(
            "nothing waits in a producer that never sends a record again, so a buffer would change nothing",
            help="write retry: {mode: backoff}, or remove it",
            at=("buffer",),
        )
    if producer.on_partial_failure == "resend_all" and producer.buffer is not None:
        raise SettingError(
            "a buffer of single records is not simulated for a caller that sends whole calls again (resend_all)",
            help="write on_partial_failure: retry_failed, or remove the buffer",
            at=("buffer",),
        )
    if producer.model == "sdk" and api == "PutRecords" and producer.retry is not None:
        _check_retries_of_calls(producer, producer.retry.mode)


def _check_model(producer: Producer) -> None:
    for name, models in ONLY_FOR.items():
        known = producer.model is not None or not {"cloudwatch_logs", "direct"} & set(models)
        if known and producer.model not in models and getattr(producer, name) is not None:
            key = type(producer).model_fields[name].alias or name
            had = f"model {producer.model}" if producer.model is not None else "a producer without model"
            own = INSTEAD.get((str(producer.model), key))
            instead = f"; here it is {own}" if own else ""
            raise SettingError(f"{had} has no {key}", help=f"it belongs to {' and '.join(models)}{instead}", at=(key,))


def _check_single_calls(producer: Producer) -> None:
    """PutRecord takes one record: nothing waits for others, and nothing fails in part."""
    if (producer.batch_size or 1) > 1:
        raise SettingError(
            f"PutRecord takes one record, but batch_size is {producer.batch_size}",
            help="write api: PutRecords",
            at=("api",),
        )
    for key, given in (("flush", producer.flush_s), ("on_partial_failure", producer.on_partial_failure)):
        if given is not None:
            raise SettingError(
                f"PutRecord takes one record, so {key} would change nothing (aws:W13)",
                help=f"write api: PutRecords, or remove {key}",
                at=(key,),
            )


def _check_retries_of_calls(producer: Producer, mode: str | None) -> None:
    """PutRecords is answered with HTTP 200 whatever is rejected, so that only the caller can send it again."""
    if mode == "adaptive":
        raise SettingError(
            "mode adaptive slows down after throttled calls, but PutRecords is answered with HTTP 200 "
            "whatever is rejected (aws:R6, W12)",
            help="write api: PutRecord, or mode: backoff for the caller's own waits",
            at=("retry", "mode"),
        )
    if producer.on_partial_failure == "resend_all" and mode == "none":
        raise SettingError(
            "on_partial_failure resend_all sends the whole call again, but retry mode is none",
            help="write a retry mode, or on_partial_failure: ignore",
            at=("retry", "mode"),
        )
    if producer.on_partial_failure == "ignore" and mode not in (None, "none"):
        raise SettingError(
            f"on_partial_failure ignore never sends a record again, but retry mode is {mode}",
            help="remove the retry, or write on_partial_failure: retry_failed",
            at=("retry", "mode"),
        )
