"""The bus over Kafka, and the administration of its topics."""
