# SPDX-License-Identifier: Apache-2.0
# `make help` says what there is. Everything made goes to build/; nothing here needs root.

.DEFAULT_GOAL := help
.NOTPARALLEL:  # two cores are few: one thing after the other, in the order written

# The computer's Python, used only to set up; PYTHON=… overrides.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; exit; }; done; echo none)
PY := build/venv/bin/python
UPY := build/micropython
BENCH := $(PY) -m host_tests
PYTEST := $(PY) -m pytest -q $(PYTEST_ARGS)

# Values for the targets below, e.g. `make replay TRACE=house.csv CREDIT=25.00`
TRACE ?=
CREDIT ?=
TARIFF ?=
LATER ?=
BILLING_DAY ?=
ARCH ?= i386
PORT ?=
PROFILE ?= stock
WARP ?= 1
VERSION ?=
FIRMWARE ?=
KEY ?=
AGAIN ?=
$(if $(filter stock place,$(PROFILE)),,$(error PROFILE=$(PROFILE): stock or place is expected))
PLACED = $(if $(filter place,$(PROFILE)),--place)
BUNDLED = $(if $(VERSION),--version "$(VERSION)") $(if $(KEY),--key "$(KEY)")
BOARD ?= esp32_devkit
VARIANT ?=
DOCUMENTS ?=
CASE ?=
CARD ?=

##@ Use
sim: setup ## Run the virtual meter, with its page in the browser [PORT=8080 WARP=1 CARD=card.json PROFILE=place]
	@$(BENCH).bench.page.sim --port $(or $(PORT),8080) --warp $(WARP) --profile $(PROFILE) $(if $(CARD),--card "$(CARD)") $(ARGS)

replay: setup ## Replay a recorded household: TRACE=file.csv [CREDIT=25.00 TARIFF=a.json LATER=b.json BILLING_DAY=1 ARCH=… PROFILE=place]
	@test -n "$(TRACE)" || { echo "replay: which trace? Say make replay TRACE=file.csv" >&2; exit 2; }
	@$(BENCH).years.replay "$(TRACE)" --arch "$(ARCH)" --profile $(PROFILE) $(if $(CREDIT),--credit "$(CREDIT)") $(if $(TARIFF),--tariff "$(TARIFF)") \
		$(if $(LATER),--later "$(LATER)") $(if $(BILLING_DAY),--billing-day "$(BILLING_DAY)") $(ARGS)

flash: device-tools ## A bare ESP32: MicroPython, firmware, clock, self-test: PORT=/dev/ttyUSB0 [BOARD= FIRMWARE=file AGAIN=1 PROFILE=place]
	@$(PY) -m scripts.flash flash --port "$(PORT)" --board $(BOARD) $(BUNDLED) \
		$(if $(FIRMWARE),--firmware "$(FIRMWARE)") $(if $(AGAIN),--again) $(PLACED) $(ARGS)

deploy: device-tools ## The firmware of this tree onto a board that has some: PORT=/dev/ttyUSB0 [BOARD= VERSION= KEY= PROFILE=place]
	@$(PY) -m scripts.flash deploy --port "$(PORT)" --board $(BOARD) $(BUNDLED) $(PLACED) $(ARGS)

bundle: setup ## One signed file of the firmware, the same bytes each time: VERSION=1.4.0 [BOARD= KEY=bundle.key]
	@test -n "$(VERSION)" || { echo "bundle: which version? Say make bundle VERSION=1.4.0" >&2; exit 2; }
	@$(PY) -m scripts.bundle build --board $(BOARD) $(BUNDLED) $(ARGS)

image: setup ## The meter's file system, or with FIRMWARE=file the whole flash [BOARD= VERSION= KEY= PROFILE=place DOCUMENTS="a.json …"]
	@$(PY) -m scripts.$(if $(FIRMWARE),flash image --firmware "$(FIRMWARE)",image) --board $(BOARD) $(BUNDLED) \
		$(PLACED) $(ARGS) $(DOCUMENTS)

port: setup ## Build our own MicroPython, which runs slots in place: ESP-IDF 5.5 or a container [BOARD= VARIANT=DEVELOPMENT]
	@$(PY) -m scripts.image.port --board $(BOARD) $(if $(VARIANT),--variant "$(VARIANT)") $(ARGS)

provision: setup ## Give meters their identity, seal, label, check: ARGS="--help", ARGS="meter 00012345 --port /dev/ttyUSB0 …"
	@$(PY) -m scripts.provision $(ARGS)

vend: setup ## Sell onto cards and make utility cards: ARGS="--help", ARGS="sell 20.00 --card sim:card.json"
	@$(PY) -m scripts.vend $(ARGS)

calibrate: setup ## Calibrate a meter's IC, seal, check its wiring: ARGS="--help", ARGS="run --meter 1 --sim"
	@$(PY) -m scripts.calibrate $(ARGS)

##@ Check
test: device-tools lint unit upy system ## All of the next four, cheap things first

lint: setup ## ruff, and pyright: the firmware with the ESP32 stubs, the shop and the test bench's tools
	@$(PY) -m ruff check --quiet --output-format concise .
	@said=$$($(PY) -m pyright --warnings) || { echo "$$said"; exit 1; }
	@for config in scripts/*/pyrightconfig.json host_tests/measure/accuracy/pyrightconfig.json; do \
		said=$$($(PY) -m pyright --warnings -p $$config) || { echo "$$said"; exit 1; }; done
	@echo "lint: clean"

unit: device-tools ## Rules, drivers and models on CPython
	@$(PYTEST) -m "not long" --numprocesses 2 --dist worksteal --junitxml build/log/unit.xml host_tests/unit host_tests/upy

upy: setup ## The core's tests on real MicroPython, 32-bit and 64-bit
	@for arch in i386 amd64; do \
		if [ -x $(UPY)/micropython-$$arch ]; then \
			printf 'upy: micropython-%s: ' $$arch; \
			said=$$($(UPY)/micropython-$$arch -X heapsize=1m host_tests/upy/run.py) || { echo; echo "$$said"; exit 1; }; \
			echo "$$said"; \
		else \
			echo "upy: there is no micropython-$$arch here: NOT tested"; [ "$$PENNYWATT_NO_SKIP" != 1 ] || exit 1; \
		fi; done

system: setup ## The whole firmware on the bench
	@$(PYTEST) -m "not long and not live" --numprocesses 2 --dist worksteal host_tests/system
	@$(PYTEST) -m live host_tests/system

long: setup ## The tests that take too long for `make test`
	@$(PYTEST) -m long --numprocesses 2 --dist worksteal host_tests/unit host_tests/system

faults: setup ## Break every part in every way and strike every task; prints a table [ARGS="--only fram"]
	@$(BENCH).system.fault_matrix $(ARGS)

powercut: setup ## Cut the power at every operation that outlives it [CASE=fram-0123-half PROFILE=place ARGS="--sample 100"]
	@$(BENCH).powercut --profile $(PROFILE) $(if $(CASE),--case "$(CASE)") $(ARGS)

accuracy: setup ## What error the firmware adds, over the load table of the standards [ARGS="--few --json"]
	@$(BENCH).measure.accuracy $(ARGS)

year: setup ## A simulated year against an oracle, then four households' year without a false alarm [ARGS=--json]
	@$(BENCH).years.year $(ARGS)
	@$(BENCH).years.normal_life $(ARGS)

wear: setup ## How many years flash and FRAM last at the rates counted [ARGS="--hours 24"]
	@$(BENCH).powercut.wear $(ARGS)

size: setup ## Bytes and heap of each part of the firmware; fails when one has grown by a tenth [ARGS=--accept]
	@$(BENCH).measure.size $(ARGS)

hostile: setup ## 10,000 corrupted and hostile bundles and boot states against the loader [ARGS="--cases 500 --seed 1"]
	@$(BENCH).hostile $(ARGS)

measures: setup ## Measure what this project promises; prints a table [ARGS="--only heap"]
	@$(BENCH).measure.measures $(ARGS)

##@ Look after
setup: ## Set up build/: Python tools and MicroPython (the targets above do it by themselves)
	@py="$(PYTHON)"; \
	[ "$$py" != none ] || { echo "setup: Python 3.11 or newer is needed: install python3 and python3-venv" >&2; exit 1; }; \
	$$py -m scripts.setup.tools && $$py -m scripts.setup.micropython

device-tools: setup ## Also install esptool and mpremote, to talk to a real board, and what their tests need
	@$(PYTHON) -m scripts.setup.tools --device
	@$(PYTHON) -m scripts.setup.npm || [ "$$PENNYWATT_NO_SKIP" != 1 ]  # without it some tests are skipped, and say so

wiring: setup ## Draw the boards' wiring, and the table of boards/FIRST_BOARD.md, from boards/*/board.py [ARGS=--check]
	@$(PY) -m scripts.wiring $(if $(ARGS),$(ARGS),--write)

lock: ## Pin newer Python tools from requirements.in and scripts/lock/*.in
	@$(PYTHON) -m scripts.setup.tools --lock

clean: ## Remove what was built, but keep the tools and interpreters that were fetched
	@find build -mindepth 1 -maxdepth 1 ! -name venv ! -name typings ! -name npm ! -name firmware ! -name 'micropython*' -exec rm -rf {} + 2>/dev/null || true

distclean: ## Remove build/ altogether
	@rm -rf build

help: ## This list
	@awk 'BEGIN { FS = ":.*## " } /^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: sim replay flash deploy bundle image port provision vend calibrate test lint unit upy system long faults powercut accuracy year wear size hostile measures setup device-tools wiring lock clean distclean help
