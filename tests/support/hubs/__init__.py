"""Loopback servers that speak the file APIs of Kaggle and Hugging Face, for the real clients.

    with KaggleHub(preset_folder) as hub:
        subprocess.run([...], env={**os.environ, **hub.environment(), "HOME": str(tmp_path)})

Give `hub.environment()` to the process under test and isolate HOME, KAGGLEHUB_CACHE and HF_HOME
yourself (`isolated_environment` does). They serve what kagglehub 1.0.2 and huggingface_hub 2.4 ask
for when they fetch a model, and nothing else.
"""

from .huggingface import HuggingFaceHub
from .kaggle import KaggleHub
from .server import Faults, isolate_this_process, isolated_environment

__all__ = ["Faults", "HuggingFaceHub", "KaggleHub", "isolate_this_process", "isolated_environment"]
