"""Any server with OpenAI's chat API: vLLM's own, a gateway's, a provider's.

``backend`` sends and retries requests; ``server`` reads metadata and errors, ``responses`` a
completion. Nothing that a server says is trusted, and the API key is taken out of all of it.
"""

from harness.backends.openai.backend import BACKEND

__all__ = ["BACKEND"]
