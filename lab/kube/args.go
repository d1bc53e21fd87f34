package kube

import (
	"path/filepath"
	"strconv"
)

func (p *Plane) path(name string) string   { return filepath.Join(p.cfg.Dir, name) }
func (p *Plane) secret(name string) string { return filepath.Join(p.cfg.Dir, pkiDir, name) }

func (p *Plane) etcdArgs() []string {
	return []string{
		"etcd",
		"--data-dir=" + p.path(etcdDir),
		"--client-url=" + loopbackURL(p.ports.client),
		"--peer-url=" + loopbackURL(p.ports.peer),
		"--cert-file=" + p.secret(serverCertFile),
		"--key-file=" + p.secret(serverKeyFile),
		"--trusted-ca-file=" + p.secret(caCertFile),
	}
}

func (p *Plane) apiArgs() []string {
	return []string{
		"kube-apiserver",
		"--bind-address=127.0.0.1",
		// Without it the server looks for the default route, which a machine
		// without network does not have.
		"--advertise-address=127.0.0.1",
		"--secure-port=" + strconv.Itoa(p.ports.api),
		"--tls-cert-file=" + p.secret(serverCertFile),
		"--tls-private-key-file=" + p.secret(serverKeyFile),
		"--etcd-servers=" + loopbackURL(p.ports.client),
		"--etcd-cafile=" + p.secret(caCertFile),
		"--etcd-certfile=" + p.secret(clientCertFile),
		"--etcd-keyfile=" + p.secret(clientKeyFile),
		// Endpoints must not be loopback addresses, so the server cannot
		// publish its own.
		"--endpoint-reconciler-type=none",
		"--service-cluster-ip-range=" + p.cfg.ServiceCIDR.String(),
		"--authorization-mode=Node,RBAC",
		"--client-ca-file=" + p.secret(caCertFile),
		"--token-auth-file=" + p.secret(tokensFile),
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + p.secret(saPubFile),
		"--service-account-signing-key-file=" + p.secret(saKeyFile),
		"--kubelet-client-certificate=" + p.secret(clientCertFile),
		"--kubelet-client-key=" + p.secret(clientKeyFile),
		"--allow-privileged=true", // as EKS has it
		"--profiling=false",
	}
}

func (p *Plane) controllerArgs() []string {
	return []string{
		"kube-controller-manager",
		"--kubeconfig=" + p.path(controllerKubeconfig),
		"--cluster-name=" + p.cfg.Name,
		"--bind-address=127.0.0.1",
		"--secure-port=" + strconv.Itoa(p.ports.controller),
		"--tls-cert-file=" + p.secret(serverCertFile),
		"--tls-private-key-file=" + p.secret(serverKeyFile),
		"--use-service-account-credentials=true",
		"--service-account-private-key-file=" + p.secret(saKeyFile),
		"--root-ca-file=" + p.secret(caCertFile),
		"--leader-elect=false", // there is only one
		// Each controller fetches its own token at start; with the default of
		// 20 per second this alone takes more than three seconds.
		"--kube-api-qps=300",
		"--kube-api-burst=600",
		"--profiling=false",
	}
}

func (p *Plane) schedulerArgs() []string {
	return []string{
		"kube-scheduler",
		"--kubeconfig=" + p.path(schedulerKubeconfig),
		"--bind-address=127.0.0.1",
		"--secure-port=" + strconv.Itoa(p.ports.scheduler),
		"--tls-cert-file=" + p.secret(serverCertFile),
		"--tls-private-key-file=" + p.secret(serverKeyFile),
		"--leader-elect=false", // there is only one
		"--profiling=false",
	}
}
