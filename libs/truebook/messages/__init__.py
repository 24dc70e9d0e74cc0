"""Messages and topics: every schema, once, with its codec, the reasons, and the AsyncAPI document."""
