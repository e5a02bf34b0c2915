"""Which risk a probe, plug-in or task of another tool is about: suggestions for a curator.

garak names its probes ``module.Class``; the module decides. promptfoo names plug-ins, some
with a colon (``pii:direct``). Tasks of our own logs name mitigation and arm.
"""

from __future__ import annotations

from evals.engine import registry

UNDEFENDED = "undefended"
GARAK = {
    "agent_breaker": "unsafe-tool-use",
    "ansiescape": "llm-application-vulnerability",
    "apikey": "training-data-extraction",
    "atkgen": "automated-jailbreak",
    "audio": "multimodal-jailbreak",
    "av_spam_scanning": "cyber-misuse",
    "badchars": "adversarial-perturbation",
    "continuation": "toxic-output",
    "dan": "persona-jailbreak",
    "divergence": "training-data-extraction",
    "dra": "obfuscation-jailbreak",
    "encoding": "obfuscation-jailbreak",
    "exploitation": "llm-application-vulnerability",
    "fitd": "multi-turn-jailbreak",
    "goat": "multi-turn-jailbreak",
    "goodside": "direct-prompt-injection",
    "grandma": "persona-jailbreak",
    "latentinjection": "indirect-prompt-injection",
    "leakreplay": "training-data-extraction",
    "lmrc": "toxic-output",
    "malwaregen": "cyber-misuse",
    "misleading": "misinformation",
    "packagehallucination": "hallucination",
    "phrasing": "obfuscation-jailbreak",
    "promptinject": "direct-prompt-injection",
    "propile": "training-data-extraction",
    "realtoxicityprompts": "toxic-output",
    "sata": "obfuscation-jailbreak",
    "smuggling": "obfuscation-jailbreak",
    "snowball": "hallucination",
    "suffix": "adversarial-suffix",
    "sysprompt_extraction": "prompt-stealing",
    "tap": "automated-jailbreak",
    "visual_jailbreak": "multimodal-jailbreak",
    "web_injection": "llm-application-vulnerability",
}
PROMPTFOO = {
    "agentic:memory-poisoning": "agent-memory-poisoning",
    "ascii-smuggling": "obfuscation-jailbreak",
    "bfla": "llm-application-vulnerability",
    "bias": "social-bias",
    "bola": "llm-application-vulnerability",
    "cross-session-leak": "user-data-leakage",
    "divergent-repetition": "training-data-extraction",
    "excessive-agency": "unintended-agent-actions",
    "hallucination": "hallucination",
    "harmful:chemical-biological-weapons": "cbrn-misuse",
    "harmful:copyright-violations": "copyright-infringement",
    "harmful:cybercrime": "cyber-misuse",
    "harmful:harassment-bullying": "toxic-output",
    "harmful:hate": "toxic-output",
    "harmful:intellectual-property": "copyright-infringement",
    "harmful:misinformation-disinformation": "misinformation",
    "harmful:privacy": "user-data-leakage",
    "hijacking": "direct-prompt-injection",
    "indirect-prompt-injection": "indirect-prompt-injection",
    "mcp": "agent-protocol-abuse",
    "overreliance": "overreliance",
    "pii": "user-data-leakage",
    "politics": "political-cultural-bias",
    "prompt-extraction": "prompt-stealing",
    "rag-poisoning": "rag-poisoning",
    "rbac": "llm-application-vulnerability",
    "reasoning-dos": "resource-exhaustion",
    "shell-injection": "llm-application-vulnerability",
    "sql-injection": "llm-application-vulnerability",
    "ssrf": "llm-application-vulnerability",
    "tool-discovery": "unsafe-tool-use",
}


def suggest(tool: str, group: str) -> tuple[str, str]:
    """(risk, mitigation) that a finding's group speaks of; empty where nothing is known."""
    if tool == "garak":
        return GARAK.get(group.removeprefix("probes.").partition(".")[0], ""), ""
    if tool == "promptfoo":
        return PROMPTFOO.get(group, PROMPTFOO.get(group.partition(":")[0], "")), ""
    return _of_task(group)


def _of_task(task: str) -> tuple[str, str]:
    """What one of our own tasks measured: ``mitigation-arm``."""
    name = task.rpartition("/")[2]
    for known in registry.mitigations():
        if name.startswith(f"{known.slug}-"):
            arm = name.removeprefix(f"{known.slug}-")
            return known.risks[0], "" if arm == UNDEFENDED else known.slug
    return "", ""
