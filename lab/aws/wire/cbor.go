package wire

import (
	"net/http"
	"strings"

	"github.com/fxamacker/cbor/v2"
)

// Names of the Smithy RPC v2 CBOR protocol (smithy.io, "Smithy RPC v2 CBOR
// protocol": requests, responses and their headers).
const (
	cborType       = "application/cbor"
	protocolHeader = "smithy-protocol"
	protocolName   = "rpc-v2-cbor"
)

// cborEncoding writes timestamps as the protocol does: tag 1, seconds since
// 1970, and structures as maps with the members' names.
var cborEncoding = must(cbor.EncOptions{Time: cbor.TimeUnixDynamic, TimeTag: cbor.EncTagRequired}.EncMode())

// cborDecoding reads what any client may write, and refuses a name that stands
// twice in a map.
var cborDecoding = must(cbor.DecOptions{DupMapKey: cbor.DupMapKeyEnforcedAPF, MaxNestedLevels: 32}.DecMode())

func must[T any](mode T, err error) T {
	if err != nil {
		panic("wire: the options of CBOR contradict each other: " + err.Error())
	}
	return mode
}

// RPCAction reads the operation from the path of an RPC v2 CBOR request,
// /service/{service}/operation/{operation}; a service's version may be part of
// its name.
func RPCAction(r *http.Request, service string) (string, *Error) {
	if r.Header.Get(protocolHeader) != protocolName {
		return "", Errorf("UnknownOperationException", "This endpoint speaks %s; the header %s says %q.", protocolName, protocolHeader, r.Header.Get(protocolHeader))
	}
	action, ok := strings.CutPrefix(r.URL.Path, "/service/"+service+"/operation/")
	if !ok || action == "" || strings.Contains(action, "/") || r.Method != http.MethodPost {
		return "", InvalidAction(r.Method + " " + r.URL.Path)
	}
	return action, nil
}

// DecodeCBOR fills the struct that into points to. No body at all is a
// structure without members. Members that the struct does not have are
// ignored, as the protocol wants it.
func DecodeCBOR(body []byte, into any) *Error {
	if len(body) == 0 {
		return nil
	}
	if err := cborDecoding.Unmarshal(body, into); err != nil {
		return Errorf("SerializationException", "The request body is not the CBOR of this operation: %v", err)
	}
	return nil
}

// CBORReply renders a document of the RPC v2 CBOR protocol.
func CBORReply(status int, document any) Reply {
	b, err := cborEncoding.Marshal(document)
	if err != nil {
		// Every document is a struct of this module that the tests render.
		panic("wire: render a CBOR answer: " + err.Error())
	}
	return Reply{Status: status, ContentType: cborType, Header: map[string]string{protocolHeader: protocolName}, Body: b}
}

// CBORError renders an error: the shape's name in __type, in the service's
// namespace such as com.amazonaws.cloudwatch, and, for clients that knew the
// service when it spoke the Query protocol, the old code in the header
// x-amzn-query-error (Smithy specification, "Operation error serialization" and
// "awsQueryCompatible"). Shapes names the shapes whose old code differs.
func CBORError(namespace string, shapes map[string]string, e *Error) Reply {
	shape := e.Code
	if named, ok := shapes[shape]; ok {
		shape = named
	}
	r := CBORReply(e.Status, map[string]string{"__type": namespace + "#" + shape, "message": e.Message})
	r.Header["x-amzn-query-error"] = e.Code + ";" + e.origin()
	return r
}
