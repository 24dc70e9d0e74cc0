"""The Kafka client's errors become the port's, which state whether a retry helps."""

from __future__ import annotations

import pytest
from aiokafka import errors as client

from truebook.bus.kafka.errors import translated, translating
from truebook.bus.port import BusClosed, BusError, BusRefused, BusUnavailable, RecordTooLarge, TopicMismatch


@pytest.mark.parametrize(
    ("raised", "becomes", "retry"),
    [
        (client.KafkaConnectionError("Unable to bootstrap"), BusUnavailable, True),
        (client.KafkaTimeoutError(), BusUnavailable, True),
        (client.for_code(82)(), BusUnavailable, True),
        (client.NodeNotReadyError(), BusUnavailable, True),
        (client.NotLeaderForPartitionError(), BusUnavailable, True),
        (client.GroupCoordinatorNotAvailableError(), BusUnavailable, True),
        (client.KafkaError("Unexpected error during coordination"), BusUnavailable, True),
        (ConnectionResetError(), BusUnavailable, True),
        (client.ConsumerStoppedError(), BusClosed, False),
        (client.ProducerClosed(), BusClosed, False),
        (client.MessageSizeTooLargeError("5 MB"), RecordTooLarge, False),
        (client.UnknownTopicOrPartitionError(), TopicMismatch, False),
        (client.TopicAuthorizationFailedError("orders"), BusRefused, False),
        (client.SaslAuthenticationFailed(), BusRefused, False),
        (client.InvalidSessionTimeoutError(), BusRefused, False),
    ],
)
def test_each_error_of_the_client_is_translated(raised: Exception, becomes: type[BusError], retry: bool) -> None:
    error = translated(raised)
    assert (type(error), error.retry) == (becomes, retry)


def test_every_client_error_is_translated_with_its_cause() -> None:
    abstract = client.BrokerResponseError  # has no number, and so no text
    classes = [kind for kind in vars(client).values() if isinstance(kind, type) and issubclass(kind, client.KafkaError)]
    classes.remove(abstract)
    assert len(classes) > 60
    for kind in classes:
        cause = kind.__new__(kind)
        with pytest.raises(BusError) as caught, translating():
            raise cause
        assert caught.value.__cause__ is cause


def test_a_refused_session_timeout_names_the_setting() -> None:
    assert "TRUEBOOK_KAFKA_SESSION_S" in str(translated(client.InvalidSessionTimeoutError()))


@pytest.mark.parametrize("raised", [client.for_code(82)(), client.KafkaError(repr(client.for_code(82)()))])
def test_two_members_of_one_name_are_named(raised: Exception) -> None:
    """The client raises some errors of the broker as their representation."""
    assert "under the same name" in str(translated(raised))
