import pytest

from infra.deployment.checks import check_values
from infra.errors import OperatorError
from infra.settings import ROOT
from infra.templates import sources as templates

ALL = [
    templates.foundation_template("prod"),
    templates.operations_template(),
    *(templates.read_template(ROOT / "infra" / "templates" / f"{app}.merge.yaml") for app in ("api", "worker")),
]


MACHINE = "arn:aws:states:eu-west-1:123456789012:stateMachine:fulfil"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("WorkerTimout", "10", "no template has the parameter WorkerTimout; is WorkerTimeout meant[?]"),
        ("Quux", "1", "no template has the parameter Quux$"),
        ("WorkerTimeout", "7", "WorkerTimeout must be one of 5, 10, 20, 30, 60, not '7'"),
        ("ApiErrorRate", "abc", "ApiErrorRate must be a number, not 'abc'"),
        ("ApiErrorRate", "nan", "ApiErrorRate must be from 0 to 1, not nan"),
        ("MemorySize", "nan", "MemorySize must be a whole number, not nan"),
        ("LogRetentionDays", "15", "LogRetentionDays must be one of 1, 3, 5, 7, 14, 30, .*, not '15'"),
        ("MemorySize", "1769.5", "MemorySize must be a whole number, not 1769.5"),
        ("MaxReceiveCount", "10.5", "MaxReceiveCount must be a whole number"),
        ("RateLimit", "inf", "RateLimit must be a finite number, not inf"),
        ("RateLimit", "0", "RateLimit must be from 1 to inf, not 0"),
        ("WorkerConcurrency", "1", "WorkerConcurrency must be from 2 to 1000, not 1"),
        ("AlarmEmail", "notanemail", "AlarmEmail cannot be 'notanemail'"),
        ("EventBus", "shop", "EventBus cannot be 'shop'"),
        (
            "EventBus",
            "arn:aws:events:eu-west-1:1:event-bus/shop",
            "EventBus cannot be 'arn:aws:events:eu-west-1:1:",
        ),
        ("TaskTokens", "fulfil", "TaskTokens cannot be 'fulfil'"),
        ("TaskTokens", f"{MACHINE},", "TaskTokens cannot be 'arn:"),
        ("TaskTokens", f"{MACHINE},*", "TaskTokens cannot be 'arn:"),
        ("TaskTokens", MACHINE.replace("fulfil", "*"), "TaskTokens cannot be 'arn:"),
        ("LogLevel", "debug", "LogLevel must be one of DEBUG, INFO, WARNING, ERROR, not 'debug'"),
    ],
)
def test_a_value_that_a_template_would_refuse_is_one_line(name: str, value: str, message: str) -> None:
    with pytest.raises(OperatorError, match=message):
        check_values({"LogRetentionDays": "14", name: value}, ALL)


def test_good_values_pass() -> None:
    good = {"WorkerTimeout": "10", "ApiErrorRate": "0.5", "AlarmEmail": "ops@example.com", "RateLimit": "2.5"}
    check_values({**good, "JobRetentionDays": "3", "MemorySize": "1769"}, ALL)
    check_values({"AlarmEmail": "", "EventBus": "", "TaskTokens": ""}, ALL)
    check_values({"TaskTokens": MACHINE}, ALL)
    check_values({"TaskTokens": f"{MACHINE},{MACHINE}-2"}, ALL)
    for bus in ("default", "shop.eu_1/a-b"):
        check_values({"EventBus": f"arn:aws-cn:events:cn-north-1:123456789012:event-bus/{bus}"}, ALL)
