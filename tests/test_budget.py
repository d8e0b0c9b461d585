"""Money, tokens and time: counted right, kept, and never exceeded by more than a reply."""

import threading
import time
from contextlib import suppress

import pytest
from small import InProcess
from studio import COST, PRICES, USAGE, Studio, thinker

from agents.errors import ModelError
from agents.prices import Price, listed, price_of, read
from agents.scripted import ScriptedModel
from equilibrist.budget import Halted, Meter, Spent, spent_by, total
from equilibrist.config import Config
from equilibrist.replay import replay
from sandbox.job import SandboxError


def meter(limit=None, told=lambda spent: None, **limits):
    return Meter(Config(problem="small", **limits), PRICES, limit or Spent(), told)


def reply(output=100):
    return {"usage": {**USAGE, "output_tokens": output}, "tries": 1}


def test_prices_of_versions_and_of_models_nobody_listed():
    assert price_of("gpt-4o-2024-08-06", listed()) == listed()["gpt-4o"]
    assert price_of("openai/gpt-4o", listed()) == listed()["gpt-4o"]
    assert price_of("gpt-4o-audio", listed()) is None
    assert price_of("gpt-5.9", listed()) is None


def test_cached_input_has_its_own_price():
    usage = {"input_tokens": 1000, "output_tokens": 10, "input_token_details": {"cache_read": 600}}
    assert Price(input=2, output=10, cached=0.5).of(usage) == pytest.approx((400 * 2 + 600 * 0.5 + 100) / 1e6)
    assert Price(input=2, output=10).of(usage) == pytest.approx((1000 * 2 + 100) / 1e6)


@pytest.mark.parametrize(
    "text", ["", "[]", '{"models": {"a": 3}}', '{"models": {"a": {"input": -1, "output": 1}}}']
)
def test_a_broken_table_of_prices_is_named(tmp_path, text):
    (tmp_path / "prices.json").write_text(text)
    with pytest.raises(ModelError, match="prices.json is no table"):
        read(tmp_path / "prices.json")


def test_replies_in_flight_never_exceed_a_budget_by_more_than_one():
    """Many threads, replies of unequal length: what was spent before the last one began is in the budget."""
    budget = meter(tokens=60_000, reply_tokens=2000)
    history, guard = [], threading.Lock()

    def work(number):
        with suppress(Halted):
            while True:
                length = 50 + (number * 937) % 1900

                def ask(length=length):
                    time.sleep(0.001)
                    return reply(length)

                made = budget.pay("dear", 4000, ask)
                with guard:
                    history.append(made["usage"]["output_tokens"] + 1000)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert budget.spent.tokens == sum(history)
    assert 60_000 <= budget.spent.tokens < 60_000 + max(history)


def test_a_failed_request_frees_its_place_and_costs_nothing():
    budget = meter(usd=1.0)

    def fail():
        raise ModelError("gone")

    with pytest.raises(ModelError):
        budget.pay("dear", 10, fail)
    assert budget.pay("dear", 10, reply)["usd"] == pytest.approx(COST)
    assert budget.spent.usd == pytest.approx(COST)


def test_no_reply_begins_after_the_time_is_up():
    budget = meter(minutes=1e-9)
    time.sleep(0.001)
    with pytest.raises(Halted) as halted:
        budget.pay("dear", 10, reply)
    assert halted.value.reason == "time"


def test_a_model_without_a_price_is_counted_apart():
    budget = meter()
    assert budget.pay("nobody's", 10, reply)["usd"] is None
    assert (budget.spent.usd, budget.spent.unpriced) == (0.0, 1)
    assert "1 replies of unknown price" in str(budget.spent)


@pytest.mark.parametrize("parallel", [1, 4])
@pytest.mark.parametrize("limit", [{"usd": 0.5}, {"tokens": 27_000}])
def test_a_session_stops_at_its_budget_and_goes_on_with_a_greater_one(tmp_path, parallel, limit):
    studio = Studio(tmp_path)
    name, end = studio.start(experiments=30, parallel=parallel, **limit)
    assert end == "budget"
    spent = total(spent_by(studio.journal(name)))
    assert spent.usd == pytest.approx(spent.replies * COST)
    assert spent.usd < 0.5 + 2 * COST if "usd" in limit else spent.tokens < 27_000 + 2 * 1100
    assert spent.replies >= 24
    finished = sum(1 for _ in studio.journal(name).events("experiment"))
    assert finished <= 4
    asked = len(studio.models["dear"].asked)
    assert studio.resume(name, experiments=6, usd=None, tokens=None) == "done"
    assert len(studio.models["dear"].asked) == 6 * 6
    assert asked < 6 * 6
    assert studio.resume(name, experiments=3, usd=None, tokens=None) == "done", "a total below what there is"

    whole, _ = Studio(tmp_path / "whole").start(experiments=6, parallel=parallel)
    ours = [e.data["proposal"]["program_id"] for e in studio.journal(name).events("experiment")]
    journal = Studio(tmp_path / "whole").journal(whole)
    assert ours == [e.data["proposal"]["program_id"] for e in journal.events("experiment")]


def test_a_lost_model_lets_what_is_in_flight_come_to_rest(tmp_path):
    """The critic goes away while the proposer's reply is under way: that reply is paid for, so it is kept."""
    slow = threading.Event()

    def late(messages):
        slow.wait(1.0)
        return made(messages)

    def gone(messages):
        slow.set()
        raise ModelError("gone")

    studio = Studio(tmp_path)
    made = thinker().replies[0]
    count = iter(range(1000))
    studio.models["dear"] = ScriptedModel(
        replies=[lambda m: late(m) if next(count) == 1 else made(m)], name_shown="dear"
    )
    studio.models["critic"] = ScriptedModel(replies=[gone], name_shown="critic")
    with pytest.raises(ModelError, match="gone"):
        studio.start(experiments=4, parallel=2, critic="critic")
    replies = list(studio.journal("last").events("reply"))
    assert len(replies) == len(studio.models["dear"].asked)


def test_the_live_view_tells_what_was_spent(tmp_path):
    studio = Studio(tmp_path)
    studio.start(experiments=2, usd=3.0)
    assert studio.watch.cost() == "spent $0.2400, 13,200 tokens, 12 replies of $3"


def test_usage_that_an_endpoint_does_not_tell_is_guessed():
    from langchain_core.messages import AIMessage

    from agents.endpoint import _guessed

    guessed = _guessed([AIMessage(content="x" * 400)], AIMessage(content="y" * 40))
    assert guessed["input_tokens"] == 100
    assert 10 <= guessed["output_tokens"] <= 11


class Held(InProcess):
    """A sandbox whose runs hold a GPU for a second each."""

    def run(self, job):
        return super().run(job).model_copy(update={"gpu_seconds": 1.0})


def test_a_session_stops_at_its_gpu_seconds_and_a_resumed_one_remembers_them(tmp_path):
    studio = Studio(tmp_path)
    studio.sandbox = Held()
    name, end = studio.start(experiments=30, parallel=1, gpu_seconds=16)
    assert end == "budget"
    runs = len(studio.sandbox.runs)
    assert total(spent_by(studio.journal(name))).gpu_seconds == runs == 16
    assert studio.resume(name) == "budget"
    assert len(studio.sandbox.runs) == runs
    assert studio.resume(name, experiments=2, gpu_seconds=None) == "done"
    replay(studio.home, name, tmp_path / "again")


def test_what_is_asked_of_a_person_who_interrupts_is_one_reply_at_most(tmp_path):
    """After Ctrl-C the reply in flight is kept, and neither another is asked for nor a program run."""
    studio = Studio(tmp_path)
    made = thinker().replies[0]

    def interrupted(messages):
        studio.asked.set()
        time.sleep(1.0)
        return made(messages)

    studio.models["dear"] = ScriptedModel(replies=[interrupted], name_shown="dear")
    name, end = studio.start(experiments=5, parallel=1)
    assert end == "interrupted"
    assert len(studio.models["dear"].asked) == 1
    assert sum(1 for _ in studio.journal(name).events("reply")) == 1


def test_a_failure_of_ours_stops_all_experiments_before_it_is_told(tmp_path):
    class Breaks(InProcess):
        def run(self, job):
            if len(self.runs) > 12:
                raise SandboxError("the engine went away")
            return super().run(job)

    studio = Studio(tmp_path)
    studio.sandbox = Breaks()
    with pytest.raises(SandboxError, match="went away"):
        studio.start(experiments=30, parallel=3)
    replies = sum(1 for _ in studio.journal("last").events("reply"))
    assert replies == len(studio.models["dear"].asked) < 40
    studio.sandbox = InProcess()
    assert studio.resume("last", experiments=4) == "done"
