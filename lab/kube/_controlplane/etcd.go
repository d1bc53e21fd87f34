package main

import (
	"context"
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"syscall"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	"go.etcd.io/etcd/server/v3/embed"
)

// etcdFlags are the flags of the etcd component.
type etcdFlags struct {
	dir, client, peer string
	cert, key, ca     string
}

func parseEtcdFlags(args []string) (etcdFlags, error) {
	var f etcdFlags
	set := flag.NewFlagSet("etcd", flag.ContinueOnError)
	set.StringVar(&f.dir, "data-dir", "", "directory of the data")
	set.StringVar(&f.client, "client-url", "", "URL to serve clients at, https://127.0.0.1:PORT")
	set.StringVar(&f.peer, "peer-url", "", "URL to serve peers at, https://127.0.0.1:PORT")
	set.StringVar(&f.cert, "cert-file", "", "certificate for both URLs")
	set.StringVar(&f.key, "key-file", "", "key of the certificate")
	set.StringVar(&f.ca, "trusted-ca-file", "", "certificate authority of clients and peers")
	if err := set.Parse(args); err != nil {
		return etcdFlags{}, err
	}
	return f, nil
}

// config returns the configuration of a single member. Clients and peers need a
// certificate: whoever can write to etcd could start pods, which here are
// processes of the user who runs the lab.
func (f etcdFlags) config() (*embed.Config, error) {
	client, err := url.Parse(f.client)
	if err != nil {
		return nil, err
	}
	peer, err := url.Parse(f.peer)
	if err != nil {
		return nil, err
	}
	cfg := embed.NewConfig()
	cfg.Dir = f.dir
	cfg.LogLevel = "warn"
	cfg.UnsafeNoFsync = true // the data is disposable; a lab never outlives its machine
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{*client}, []url.URL{*client}
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{*peer}, []url.URL{*peer}
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	tls := transport.TLSInfo{CertFile: f.cert, KeyFile: f.key, TrustedCAFile: f.ca, ClientCertAuth: true}
	cfg.ClientTLSInfo, cfg.PeerTLSInfo = tls, tls
	return cfg, nil
}

// runEtcd serves until TERM or an error and returns the exit code.
func runEtcd(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	f, err := parseEtcdFlags(args)
	if err != nil {
		return 2
	}
	if err := serveEtcd(ctx, f); err != nil {
		fmt.Fprintf(os.Stderr, "etcd: %v\n", err)
		return 1
	}
	return 0
}

func serveEtcd(ctx context.Context, f etcdFlags) error {
	cfg, err := f.config()
	if err != nil {
		return err
	}
	server, err := embed.StartEtcd(cfg)
	if err != nil {
		return err
	}
	defer server.Close()
	select {
	case <-ctx.Done():
		return nil
	case err := <-server.Err():
		return err
	case <-server.Server.StopNotify():
		return fmt.Errorf("stopped by itself; see the lines above")
	}
}
