# make demo   build, make ready and run the main job
# make test   make ready and run every test
# Nothing here needs root, Docker or an AWS account.

GO     ?= go
WATARI  = bin/watari
# The cold start of the lab is a part of the figures and takes about ten minutes;
# make bench BENCH= leaves it out.
BENCH  ?= --cold
LINT    = github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

.PHONY: demo chaos sim test lint bench bench-verdict bench-signals bench-store build generate lab-ready prometheus clean

demo: build
	$(WATARI) demo $(DEMO)

# The main job under the faults of ten fixed seeds, one after the other; about 25
# minutes on two cores.
chaos: build lab-ready
	@failed=; for seed in 1 2 3 4 5 6 7 8 9 10; do \
		$(WATARI) demo --chaos $$seed $(DEMO) || failed="$$failed $$seed"; \
	done; test -z "$$failed" || { echo "seeds that did not show what they should:$$failed"; exit 1; }

# Seeds of the simulation and every watari that is broken on purpose;
# make sim SIM='--for 2h --from 1000000' plays others.
SIM ?= --seeds 100000 --coverage
sim:
	$(GO) run ./sim/cmd $(SIM)
	$(GO) run ./sim/cmd --mutant all

build:
	$(GO) build -o $(WATARI) ./cmd/watari

# The lab's two Kubernetes versions are compiled once into the user cache directory.
lab-ready: build
	$(WATARI) lab build

# Prometheus comes from the distribution's package, where we may install it.
prometheus:
	@sh hack/prometheus.sh

test: build prometheus lab-ready
	$(GO) vet ./...
	$(GO) test ./...
	$(GO) test ./engine -count=1 -rapid.checks=3000
	WATARI_LAB_TESTS=1 $(GO) test -p 1 -count=1 -timeout 60m ./lab/... ./scenario/...

lint:
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet ./...
	$(GO) run $(LINT) run ./...

bench: build lab-ready
	$(GO) test -run '^$$' -bench Step ./engine
	$(GO) test -run '^$$' -bench Migrations ./sim
	$(GO) test -run '^$$' -bench CallsPerStep ./router/route53
	$(GO) test -run '^$$' -bench Proxy ./lab/alb
	$(WATARI) lab bench $(BENCH)

# How soon a regression is found and how often nothing is, ours and the peers';
# what it costs. About four minutes on two cores.
bench-verdict:
	$(GO) run ./verdict/bench/cmd
	$(GO) test -run '^$$' -bench 'Add|Services' ./verdict

# Which faults of the signals make false rollbacks or hide a bad target, for each form
# of the verdict. Some twenty minutes on two cores; make bench-signals SIGNALS="--seeds 20" is shorter.
bench-signals:
	$(GO) run ./signal/bench/cmd $(SIGNALS)

# What remembering a migration costs: a day at the limits of a file, a week of a
# small migration, in virtual time. Some twenty minutes on two cores; make bench-store STORE="--hours 2" is shorter.
bench-store: build
	$(GO) run ./store/bench/cmd --watari $(WATARI) $(STORE)

generate:
	$(GO) generate ./...

clean:
	rm -rf bin
