"""The negotiation of a connection: which export, and how it will be spoken of. No sockets here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from hvbackup.images.exports import Export
from hvbackup.images.nbd import protocol
from hvbackup.images.nbd.protocol import ClientFlag, ExportFlag, Info, Option, OptionReply


class Agreement(NamedTuple):
    """What a client and the server agreed on.

    Attributes:
        name: The name of the export as the client gave it.
        structured: Replies come in chunks.
        allocation: The client may ask for `base:allocation`.
    """

    name: str
    export: Export
    structured: bool
    allocation: bool


class Answer(NamedTuple):
    """What to send for an option. Then requests follow if there is an agreement, or the connection ends."""

    data: bytes
    agreement: Agreement | None = None
    ends: bool = False


class Negotiation:
    """The options of one connection, one after the other.

    Args:
        exports: What is offered, by name.
        flags: What the client answered to the greeting.
    """

    def __init__(self, exports: Mapping[str, Export], flags: ClientFlag) -> None:
        self._exports = exports
        self._zeroes = not flags & ClientFlag.NO_ZEROES
        self._structured = False
        self._allocation_of: str | None = None

    def answer(self, number: int, data: bytes) -> Answer:
        """Answer an option.

        Raises:
            Malformed: It makes no sense, and its kind has no error reply.
        """
        try:
            option = Option(number)
        except ValueError:
            return Answer(protocol.pack_option_reply(number, OptionReply.UNSUPPORTED, b"not offered here"))
        if option is Option.EXPORT_NAME:
            return self._export_name(protocol.parse_name(data))
        try:
            return self._answer(option, data)
        except protocol.Malformed as error:
            return _reply(option, OptionReply.INVALID, str(error).encode())

    def _answer(self, option: Option, data: bytes) -> Answer:
        if option in (Option.INFO, Option.GO):
            return self._go(option, protocol.parse_go(data))
        if option in (Option.LIST_META_CONTEXT, Option.SET_META_CONTEXT):
            return self._meta(option, protocol.parse_meta(data))
        if option is Option.ABORT:  # the protocol lets it carry anything
            return _reply(option, OptionReply.ACK)._replace(ends=True)
        if data:
            return _reply(option, OptionReply.INVALID, b"the option takes no data")
        if option is Option.LIST:
            return self._list()
        self._structured = True
        return _reply(option, OptionReply.ACK)

    def _export_name(self, name: str) -> Answer:
        export = self._exports.get(name)
        if export is None:
            raise protocol.Malformed(f"there is no export {name!r}, and this option has no other answer than the end")
        data = protocol.pack_export_name(export.size, self._flags(), zeroes=self._zeroes)
        return Answer(data, self._agreement(name, export))

    def _go(self, option: Option, wanted: protocol.GoOption) -> Answer:
        export = self._exports.get(wanted.export)
        if export is None:
            return _unknown(option)
        infos = [protocol.pack_info_export(export.size, self._flags())]
        if Info.NAME in wanted.infos:
            infos.append(protocol.pack_info_text(Info.NAME, wanted.export))
        if Info.DESCRIPTION in wanted.infos and export.description:
            infos.append(protocol.pack_info_text(Info.DESCRIPTION, export.description))
        infos.append(protocol.pack_info_block_size())
        replies = [protocol.pack_option_reply(option, OptionReply.INFO, info) for info in infos]
        replies.append(protocol.pack_option_reply(option, OptionReply.ACK))
        agreement = self._agreement(wanted.export, export) if option is Option.GO else None
        return Answer(b"".join(replies), agreement)

    def _list(self) -> Answer:
        replies = [
            protocol.pack_option_reply(Option.LIST, OptionReply.SERVER, protocol.pack_server(name, export.description))
            for name, export in self._exports.items()
            if name  # the empty one is another name for the disk
        ]
        return Answer(b"".join(replies) + protocol.pack_option_reply(Option.LIST, OptionReply.ACK))

    def _meta(self, option: Option, wanted: protocol.MetaOption) -> Answer:
        if not self._structured:
            return _reply(option, OptionReply.INVALID, b"structured replies come first")
        if option is Option.SET_META_CONTEXT:
            self._allocation_of = None  # each one takes the place of the one before it
        if wanted.export not in self._exports:
            return _unknown(option)
        if not protocol.chosen_contexts(wanted.queries, listing=option is Option.LIST_META_CONTEXT):
            return _reply(option, OptionReply.ACK)
        if option is Option.SET_META_CONTEXT:
            self._allocation_of = wanted.export
        context = protocol.pack_meta_context(protocol.ALLOCATION_ID, protocol.ALLOCATION)
        reply = protocol.pack_option_reply(option, OptionReply.META_CONTEXT, context)
        return Answer(reply + protocol.pack_option_reply(option, OptionReply.ACK))

    def _flags(self) -> ExportFlag:
        flags = ExportFlag.HAS_FLAGS | ExportFlag.READ_ONLY | ExportFlag.SEND_FLUSH | ExportFlag.CAN_MULTI_CONN
        return flags | ExportFlag.SEND_DF if self._structured else flags

    def _agreement(self, name: str, export: Export) -> Agreement:
        return Agreement(name, export, self._structured, allocation=self._allocation_of == name)


def _reply(option: Option, kind: OptionReply, data: bytes = b"") -> Answer:
    return Answer(protocol.pack_option_reply(option, kind, data))


def _unknown(option: Option) -> Answer:
    return _reply(option, OptionReply.UNKNOWN, b"there is no such export; LIST names them")
