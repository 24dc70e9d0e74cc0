"""What the Kafka client raises becomes one of the port's errors, which say whether to repeat."""

from __future__ import annotations

import pytest
from aiokafka import errors as client

from truebook.bus.kafka_errors import translated, translating
from truebook.bus.port import BusClosed, BusError, BusRefused, BusUnavailable, RecordTooLarge, TopicMismatch


@pytest.mark.parametrize(
    ("raised", "becomes", "retry"),
    [
        (client.KafkaConnectionError("Unable to bootstrap"), BusUnavailable, True),
        (client.KafkaTimeoutError(), BusUnavailable, True),
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
def test_each_error_of_the_client_has_its_place_in_the_ports_tree(
    raised: Exception, becomes: type[BusError], retry: bool
) -> None:
    error = translated(raised)
    assert (type(error), error.retry) == (becomes, retry)


def test_every_error_class_of_the_client_is_translated_with_its_cause() -> None:
    abstract = client.BrokerResponseError  # has no number, and so no text
    classes = [kind for kind in vars(client).values() if isinstance(kind, type) and issubclass(kind, client.KafkaError)]
    classes.remove(abstract)
    assert len(classes) > 60
    for kind in classes:
        cause = kind.__new__(kind)
        with pytest.raises(BusError) as caught, translating():
            raise cause
        assert caught.value.__cause__ is cause


def test_a_refused_session_time_out_names_the_setting() -> None:
    assert "TRUEBOOK_KAFKA_SESSION_S" in str(translated(client.InvalidSessionTimeoutError()))
