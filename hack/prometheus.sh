#!/bin/sh
# Installs Debian's prometheus for the tests of signal/prometheus, which run the
# server themselves: the package's service is neither started nor left enabled.
# Without root nothing is done; the tests then skip, and say so.
set -eu

if command -v prometheus >/dev/null 2>&1; then
	echo "prometheus is there: $(command -v prometheus)"
	exit 0
fi
skip() {
	echo "SKIPPED: prometheus is not installed and $1; signal/prometheus will not be tested against a real server" >&2
	exit 0
}
[ "$(id -u)" -eq 0 ] || skip "this is not root"
command -v apt-get >/dev/null 2>&1 || skip "there is no apt-get here"

# Packages ask policy-rc.d before they start a service; 101 forbids it (invoke-rc.d(8)).
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	trap 'rm -f "$policy"' EXIT
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
fi

install() {
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends prometheus >/dev/null
}
install || { apt-get update -qq && install; }

# Nor may it start with the machine.
rm -f /etc/systemd/system/multi-user.target.wants/prometheus.service # as systemctl disable does
if command -v update-rc.d >/dev/null 2>&1; then
	update-rc.d -f prometheus remove >/dev/null
fi
echo "prometheus is installed: $(command -v prometheus)"
