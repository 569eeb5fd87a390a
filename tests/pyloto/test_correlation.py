import json

from celery import shared_task, signals

from pyloto.observability.correlation import bind_correlation_id, current_correlation_id, new_correlation_id


def test_each_request_has_an_id_of_its_own_in_log_and_response(client, capsys):
    responses = [client.get("/nothing/here", headers={"X-Correlation-Id": "forged"}) for _ in range(2)]

    ids = [response["X-Correlation-Id"] for response in responses]
    assert [json.loads(line)["correlation_id"] for line in capsys.readouterr().out.splitlines()] == ids
    assert len({*ids, "forged"}) == 3
    assert current_correlation_id() == ""


def test_a_task_goes_on_with_the_id_of_its_caller_and_forgets_it():
    seen = []

    @shared_task(bind=True)
    def look(self):
        seen.append(current_correlation_id())

    bind_correlation_id("from-the-webhook")
    headers = {}
    signals.before_task_publish.send(sender="look", headers=headers)

    assert headers == {"pyloto_correlation_id": "from-the-webhook"}
    look.apply(headers=headers)
    look.apply()
    assert seen[0] == "from-the-webhook"
    assert len(seen[1]) == len(new_correlation_id())
    assert current_correlation_id() == ""
