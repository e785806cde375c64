//- cloud-init/gpu.sh
#!/bin/sh
# Goes out as it stands: only names that end in .j2 are expanded.
set -eu
nvidia-smi --persistence-mode=1
nvidia-smi --compute-mode=EXCLUSIVE_PROCESS
