"""``python -m train_cft.cli``, which `torchrun` and `accelerate launch` start."""

from train_cft.cli.main import main

if __name__ == "__main__":
    main()
