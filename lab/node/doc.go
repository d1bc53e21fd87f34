// Package node is the lab's node agent: it registers one Kubernetes node and
// runs the containers of the pods bound to it as plain local processes.
// It promises what the control plane and kubectl expect of a kubelet: status,
// probes, hooks, restarts with back-off, grace periods kept to the moment,
// init containers and sidecars, configuration as environment and files, logs.
// It never isolates anything (no namespaces, no limits, no users, no network
// but loopback) and never touches a process that it did not start; its
// children die with it.
//
// # What a container finds
//
// There is no mount namespace and there are no images. A container is its
// command if the first word is an absolute path or found in PATH; otherwise the
// name of its image, without the tag, is looked up in Config.Images, which
// gives the words to put in front of command and arguments. The environment of a container
// holds PATH, HOME, TMPDIR, HOSTNAME and WATARI_LAB of the agent, what the pod
// asks for, and:
//
//   - WATARI_POD_BIND: the loopback address to listen on (127.231.x.y). The pod
//     reports 10.231.x.y, which status.podIP gives; see package podnet.
//   - WATARI_POD_ROOT: a directory of the pod. A volume mounted at /etc/app is found at
//     $WATARI_POD_ROOT/etc/app. The root belongs to the pod, not to the
//     container: two containers that mount one volume at one path share one real
//     directory, without links. Only an emptyDir mounted at several paths or with subPath
//     is reached through a relative link.
//   - WATARI_IMAGE_TAG: the tag of the image, "latest" if there is none.
//   - WATARI_TERMINATION_LOG: the file that takes the place of terminationMessagePath.
//
// # What it leaves out
//
// Service account tokens and the environment of Services (cluster addresses lead nowhere
// in the lab), persistent and host volumes, gRPC probes, exec, attach and
// port-forward, times in logs, resource limits and metrics. What a pod asks for in
// vain is said in the container's waiting reason or in an event.
package node
