"""The bus: its port, the partition of a key, and the implementations over Kafka and in process."""
