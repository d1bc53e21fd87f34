package wire

import (
	"bytes"
	"encoding/xml"
	"net/http"
)

const contentXML = "text/xml"

type errorDocument struct {
	XMLName   xml.Name `xml:"ErrorResponse"`
	Namespace string   `xml:"xmlns,attr,omitempty"`
	Type      string   `xml:"Error>Type"`
	Code      string   `xml:"Error>Code"`
	Message   string   `xml:"Error>Message"`
	RequestID string   `xml:"RequestId"`
}

// XMLError renders an error as the Query and REST/XML protocols do (Smithy
// specification, "AWS Query protocol" and "AWS restXml protocol").
func XMLError(namespace string, e *Error, requestID string) Reply {
	return XMLReply(e.Status, errorDocument{Namespace: namespace, Type: e.origin(), Code: e.Code, Message: e.Message, RequestID: requestID})
}

// XMLReply renders a whole document.
func XMLReply(status int, document any) Reply {
	var b bytes.Buffer
	b.WriteString(xml.Header)
	if err := xml.NewEncoder(&b).Encode(document); err != nil {
		// Every document is a struct of this module that the tests render.
		panic("wire: render an XML answer: " + err.Error())
	}
	return Reply{Status: status, ContentType: contentXML, Body: b.Bytes()}
}

// QueryReply wraps a result in <ActionResponse><ActionResult>, as the Query
// protocol does. A nil result is an empty element.
func QueryReply(namespace, action, requestID string, result any) Reply {
	type metadata struct {
		RequestID string `xml:"RequestId"`
	}
	doc := struct {
		XMLName   xml.Name
		Namespace string `xml:"xmlns,attr"`
		Result    any
		Metadata  metadata `xml:"ResponseMetadata"`
	}{XMLName: xml.Name{Local: action + "Response"}, Namespace: namespace, Metadata: metadata{requestID}}
	doc.Result = named{local: action + "Result", value: result}
	return XMLReply(http.StatusOK, doc)
}

// named encodes a value under a name that is known only when it is written.
type named struct {
	local string
	value any
}

// MarshalXML writes the value as one element with the given name.
func (n named) MarshalXML(e *xml.Encoder, _ xml.StartElement) error {
	start := xml.StartElement{Name: xml.Name{Local: n.local}}
	if n.value == nil {
		return e.EncodeElement(struct{}{}, start)
	}
	return e.EncodeElement(n.value, start)
}
