"""Arms that look at the same answers share them: monitors and filters differ afterwards only."""

from __future__ import annotations

import json
from collections.abc import Sequence

from .language_model import Chat
from .trial import Answer, Arm, Ask, Case


def shared(arms: Sequence[Arm]) -> list[Arm]:
    """The same arms, which put an equal conversation to the target once between them.

    Decoding is greedy, so the answer would be the same. Not for timing, which needs the calls.
    """
    kept: dict[str, str] = {}
    return [_sharing(arm, kept) for arm in arms]


def _sharing(arm: Arm, kept: dict[str, str]) -> Arm:
    async def act(case: Case, ask: Ask) -> Answer:
        async def once(chat: Chat, max_new_tokens: int | None = None) -> str:
            key = json.dumps([max_new_tokens, [dict(message) for message in chat]])
            if key not in kept:
                kept[key] = await ask(chat, max_new_tokens)
            return kept[key]

        return await arm.act(case, once)

    return Arm(arm.name, arm.label, act)
