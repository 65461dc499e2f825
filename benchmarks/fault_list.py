"""Forty one-line faults over the whole package, as a tired programmer makes them; `planted_faults.py` plants one at a time.

Fixed before the tests were changed, so that what the suite catches can be compared before and after. `old` stands once in its
file and within one line; `new` takes its place. None of them changes only the speed, and none keeps the file from importing.
"""

from __future__ import annotations

from typing import NamedTuple


class Fault(NamedTuple):
    """One line to change, and what that breaks."""

    name: str
    file: str  # below datagen/
    old: str
    new: str
    breaks: str


FAULTS = (
    # Kernels and text
    Fault(
        "rouge_at_threshold", "similarity/rouge_l.py",
        "if score > t and (score > best_score", "if score >= t and (score > best_score",
        "a row exactly at the ROUGE-L threshold goes",
    ),
    Fault(
        "lcs_carry_lost", "similarity/lcs.py",
        "            total += carry", "            total += np.uint64(0)",
        "a common subsequence across the 64th token is too short",
    ),
    Fault(
        "prefix_one_short", "similarity/postings.py",
        "return min(m, m - int(np.ceil(ratio * m - SLACK)) + 1)", "return min(m, m - int(np.ceil(ratio * m - SLACK)))",
        "a pair that shares only the last token of the prefix is not found",
    ),
    Fault(
        "length_band_cut", "similarity/postings.py",
        "if longest < ratio * m - SLACK or shortest >", "if shortest < ratio * m - SLACK or shortest >",
        "partners in a band of lengths that the bound goes through are not read",
    ),
    Fault(
        "shingle_crosses_row", "similarity/jaccard.py",
        "max(offsets[i], offsets[i + 1] - n + 1)", "max(offsets[i], offsets[i + 1] - n + 2)",
        "each row has a shingle that ends in the next row",
    ),
    Fault(
        "other_entity_turned", "similarity/answers.py",
        "if flags[token] & 4 and not flags[token] & 2:", "if flags[token] & 4 and flags[token] & 2:",
        "the same words about another entity count as a repetition",
    ),
    Fault(
        "thousands_cut", "similarity/tokenised.py",
        "(data[stop] == 44 or data[stop] == 46)", "(data[stop] == 46)",
        "1,000 is two tokens where the text is ASCII",
    ),
    Fault(
        "marks_apart", "text/tokens.py",
        r'rf"|(?=[{UNSPACED}])\X"', r'rf"|[{UNSPACED}]"',
        "Thai vowel signs and tone marks are tokens apart from their consonant",
    ),
    Fault(
        "dropped_row_as_witness", "similarity/cosine.py",
        "if witness[rows[j]] >= 0:", "if witness[rows[j]] < -1:",
        "a row goes because of one that went itself",
    ),
    Fault(
        "kana_shares_swapped", "text/language.py",
        "(0.55 if len(kana) == 1 else 0.1)", "(0.1 if len(kana) == 1 else 0.55)",
        "Chinese that cites one Japanese word is Japanese",
    ),
    # Journal and money
    Fault(
        "journal_not_synced", "chat/journal.py",
        '"PRAGMA synchronous=FULL"', '"PRAGMA synchronous=OFF"',
        "the fsync is left out: a power cut loses paid answers",
    ),
    Fault(
        "answer_not_awaited", "chat/endpoint.py",
        "await self.journal.answered(number, key, raw, used, usd)",
        "asyncio.ensure_future(self.journal.answered(number, key, raw, used, usd))",
        "an answer is read before it is on disk",
    ),
    Fault(
        "worst_case_in_characters", "chat/budget.py",
        'size = len(json.dumps(texts, ensure_ascii=False, allow_nan=False).encode("utf-8", "surrogatepass"))',
        "size = len(json.dumps(texts, ensure_ascii=False, allow_nan=False))",
        "the worst case of a Chinese or Thai prompt is too low",
    ),
    Fault(
        "cap_without_flight", "chat/budget.py",
        "self.spent + self.held + self._reserved + need <= self.usd", "self.spent + self.held + need <= self.usd",
        "requests in flight pass the cap together",
    ),
    Fault(
        "cut_off_is_free", "chat/budget.py",
        "elif attempt.outcome != FREE:", "elif attempt.outcome == ANSWERED:",
        "an attempt that was cut off is not held at its worst case",
    ),
    Fault(
        "rate_limit_uses_up_tries", "chat/client.py",
        'tried += failure.then != "rename" and not failure.limit', 'tried += failure.then != "rename"',
        "a busy endpoint's rate limits use up the attempts of a request",
    ),
    Fault(
        "pace_forgets_the_next", "chat/pace.py",
        "sum(t for _, t in self._recent) + tokens > self.tpm", "sum(t for _, t in self._recent) > self.tpm",
        "the request that passes the tokens per minute starts",
    ),
    Fault(
        "gateway_timeout_is_free", "chat/failures.py",
        "UNKNOWN if status in (408, 504, 524) else FREE", "UNKNOWN if status in (408, 524) else FREE",
        "an attempt that may have been billed costs nothing",
    ),
    # Rows, stages and the run folder
    Fault(
        "witness_not_translated", "stage.py",
        "witness = pa.array(seen).take(pc.if_else(here, near, pa.scalar(None, pa.int64())))",
        "witness = pc.if_else(here, near, pa.scalar(None, pa.int64()))",
        "after an earlier stage dropped rows the witness is another row",
    ),
    Fault(
        "ledger_out_of_order", "stage.py",
        'pa.concat_tables([table, failed], promote_options="default").sort_by("row")',
        'pa.concat_tables([table, failed], promote_options="default")',
        "rows that broke a stage come after those of later rows",
    ),
    Fault(
        "last_shard_lost", "data/shards.py",
        "if self._waiting or not self._shard:", "if not self._shard:",
        "the rows after the last full shard are lost",
    ),
    Fault(
        "written_in_place", "data/shards.py",
        'temporary = path.with_name(f".{path.name}.tmp")', "temporary = path",
        "a kill leaves half of a marker or report under its own name",
    ),
    Fault(
        "id_without_tools", "data/rows.py",
        '_CANONICAL([row["system"], said, row["tools"], candidates])', '_CANONICAL([row["system"], said, candidates])',
        "two rows that differ only in their tools are one",
    ),
    Fault(
        "lock_not_taken", "runner.py",
        'lock.acquire(timeout=0)', '(out / ".datagen").touch()',
        "two processes work in one run folder",
    ),
    Fault(
        "old_result_stays_marked", "work.py",
        '(self.out / "run.json").unlink(missing_ok=True)', "pass",
        "a folder that is being written anew still says that it is complete",
    ),
    # Training
    Fault(
        "labels_shifted", "training/loss.py",
        "wanted = states.flatten(0, 1).index_select(0, batch.at)",
        "wanted = states.flatten(0, 1).index_select(0, batch.at + 1)",
        "each token is predicted from itself",
    ),
    Fault(
        "loss_per_micro_batch", "training/loop.py",
        "waiting.append(measured.total / weight * counts)",
        "waiting.append(measured.total / self.objective.weight(measured.samples) * counts)",
        "the gradient depends on how a batch is cut",
    ),
    Fault(
        "first_rate_is_zero", "training/options.py",
        "return self.peak_lr * (step + 1) / (rising + 1)", "return self.peak_lr * step / (rising + 1)",
        "the first step learns nothing",
    ),
    Fault(
        "moments_not_restored", "training/checkpoint.py",
        "for held in (state, kept)", "for held in ({}, kept)",
        "a resumed run is not the unbroken one",
    ),
    Fault(
        "untrained_turn_trains", "render/conversation.py",
        'or one["train"] is False or is_empty(one):', "or is_empty(one):",
        "turns with train=false carry loss",
    ),
    Fault(
        "checkpoint_forgets_lr", "training/options.py",
        'if f.name not in NO_RESULT}', 'if f.name not in (*NO_RESULT, "lr")}',
        "a run goes on from the checkpoint of another learning rate",
    ),
    # Formats, curation, mixing, generation, teaching, report
    Fault(
        "loss_weight_ignored", "formats/messages.py",
        'for key in ("weight", "loss_weight"):', 'for key in ("weight",):',
        "the weight of a turn is not read",
    ),
    Fault(
        "ifd_turned", "curate/ifd.py",
        'given / alone if self.ratio == "loss"', 'alone / given if self.ratio == "loss"',
        "the easiest rows stay",
    ),
    Fault(
        "contaminated_above", "curate/decontaminate.py",
        "hit = pc.greater_equal(", "hit = pc.greater(",
        "a row that covers exactly the threshold of an item stays",
    ),
    Fault(
        "other_divisors", "data/quotas.py",
        "(-weights[i] / (2 * counts[i] + 1), i)", "(-weights[i] / (counts[i] + 1), i)",
        "counts are D'Hondt's: large sources get more than their share",
    ),
    Fault(
        "seeds_forgotten", "generate/pool.py",
        "among = None if kept is None else len(self.seeds) + kept", "among = None if kept is None else kept",
        "a task that repeats a late seed or row passes as new",
    ),
    Fault(
        "one_spelling_counts", "answers/expected.py",
        "weights[int(said)] = weights.get(int(said), 0.0) + math.exp(value)", "weights[int(said)] = math.exp(value)",
        "the probability of ` 4` takes the place of that of `4`",
    ),
    Fault(
        "new_numbers_pass", "teaching/translate.py",
        "    if lost or new:", "    if lost:",
        "a translation with an invented number is kept",
    ),
    Fault(
        "tag_at_count_goes", "tags/normalise.py",
        "if n < at.count}", "if n <= at.count}",
        "a tag of just enough rows goes",
    ),
    Fault(
        "report_not_escaped", "report/page.py",
        "autoescape=True", "autoescape=False",
        "a row's markup is the report's",
    ),
)  # fmt: skip
