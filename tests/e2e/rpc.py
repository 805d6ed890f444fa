"""gRPC without generated code: messages and services as the server's reflection describes them."""

import grpc
from google.protobuf import descriptor_pool, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase


class Service:
    """Service("127.0.0.1:9090", "levada.v1.Control").call("Pause")["state"], or .call("Publish", events=[b"{}"]).

    With `ca`, the PEM text of the certificates to trust, it speaks TLS.
    """

    def __init__(self, address: str, name: str, ca: bytes | None = None):
        self._channel = (grpc.secure_channel(address, grpc.ssl_channel_credentials(ca)) if ca
                         else grpc.insecure_channel(address))
        self.database = ProtoReflectionDescriptorDatabase(self._channel)
        self._service = descriptor_pool.DescriptorPool(self.database).FindServiceByName(name)

    def close(self) -> None:
        self._channel.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def call(self, method: str, **fields):
        described = self._service.methods_by_name[method]
        request = message_factory.GetMessageClass(described.input_type)
        response = message_factory.GetMessageClass(described.output_type)
        return self._channel.unary_unary(
            f"/{self._service.full_name}/{method}",
            request_serializer=request.SerializeToString, response_deserializer=response.FromString,
        )(request(**fields), timeout=30)

    def stream(self, method: str, requests: list[dict]) -> list:
        """Sends them all on one stream and returns the responses."""
        described = self._service.methods_by_name[method]
        request = message_factory.GetMessageClass(described.input_type)
        response = message_factory.GetMessageClass(described.output_type)
        return list(self._channel.stream_stream(
            f"/{self._service.full_name}/{method}",
            request_serializer=request.SerializeToString, response_deserializer=response.FromString,
        )((request(**fields) for fields in requests), timeout=60))


def enum_name(message, field: str) -> str:
    value = getattr(message, field)
    return message.DESCRIPTOR.fields_by_name[field].enum_type.values_by_number[value].name
