package dispatch

import (
	"bytes"
	"context"
	stdjson "encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	gorilla "github.com/gorilla/rpc/v2"
	"github.com/gorilla/rpc/v2/json2"

	"tokensmith/model"
	"tokensmith/rpc/dialect"
	"tokensmith/rpc/wire"
)

// JSON-RPC 2.0 for the same methods. gorilla's json2 codec reads the request and writes the response; between them the call is
// processed like any other. Method names have a dot (token.create). error.code is our error code, and error.data is the result of
// a refusal. Requests that json2 would accept wrongly are refused before: invalid JSON, repeated names, and values that are not
// objects. A request without id is a notification: it is carried out, and the only response is status 204.
const (
	jsonrpcPath = "jsonrpc"
	jsonrpcType = "application/json-rpc" // internal name of the codec; clients send application/json
)

// jsonrpcMethod is the method of a request until its body is read.
var jsonrpcMethod = Method{Path: jsonrpcPath, Large: true}

type jsonrpcCodec struct{ json2 *json2.Codec }

func (k jsonrpcCodec) NewRequest(r *http.Request) gorilla.CodecRequest {
	return &jsonrpcRequest{json2: k.json2.NewRequest(r).(*json2.CodecRequest), ctx: r.Context(), call: CallFrom(r.Context()), key: r.Header.Get(keyHeader)}
}

type jsonrpcRequest struct {
	json2 *json2.CodecRequest
	ctx   context.Context
	call  *Call
	key   string
}

// serveJSONRPC processes one JSON-RPC request of an authenticated caller.
func (s *Server) serveJSONRPC(w http.ResponseWriter, r *http.Request, c *Call, body []byte) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	var refused *json2.Error
	var head struct {
		Version string         `json:"jsonrpc"`
		Method  string         `json:"method"`
		ID      jsontext.Value `json:"id"`
	}
	switch value := jsontext.Value(body); {
	case !value.IsValid():
		refused = &json2.Error{Code: json2.E_PARSE, Message: "the request is not JSON, or has a member twice"}
	case value.Kind() == '[':
		refused = &json2.Error{Code: json2.E_INVALID_REQ, Message: "batches are not supported here: call batch.execute"}
	case value.Kind() != '{':
		refused = &json2.Error{Code: json2.E_INVALID_REQ, Message: "the request must be an object"}
	case json.Unmarshal(value, &head) != nil || head.Version != json2.Version || head.Method == "":
		refused = &json2.Error{Code: json2.E_INVALID_REQ, Message: "the request must have the members jsonrpc, which is " +
			"\"2.0\", and method, a string"}
	}
	if refused != nil {
		if head.ID == nil {
			head.ID = jsontext.Value("null")
		}
		c.Code = wire.Codes[model.Unreadable].Number
		text, err := stdjson.Marshal(map[string]any{"jsonrpc": json2.Version, "error": refused, "id": stdjson.RawMessage(head.ID)})
		if err != nil {
			c.Fail(w, err, false)
			return
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		c.answering(w, int64(len(text)))
		w.Write(text)
		return
	}
	c.size, c.rpcID = int64(len(body)), head.ID
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.Header.Set("Content-Type", jsonrpcType)
	said := &writeRecorder{ResponseWriter: w}
	s.gorilla.ServeHTTP(said, r)
	if !said.written {
		c.answering(w, 0)
		w.WriteHeader(http.StatusNoContent) // the reply to a notification
	}
}

// writeRecorder is an http.ResponseWriter that remembers whether a response was written.
type writeRecorder struct {
	http.ResponseWriter
	written bool
}

func (s *writeRecorder) Write(b []byte) (int, error) {
	s.written = true
	return s.ResponseWriter.Write(b)
}

// Method finds the method, and refuses a caller who may not use it.
func (q *jsonrpcRequest) Method() (string, error) {
	name, err := q.json2.Method()
	if err != nil {
		return "", err
	}
	m := q.call.Server.Method(strings.Replace(name, ".", "/", 1))
	// Devices have no agent, so they cannot use JSON-RPC.
	if m == nil || m.Device || m.Stream || strings.Contains(name, "/") {
		return "", model.Errorf(model.NoMethod, "no such method")
	}
	q.call.Method = m
	if q.call.size > SmallBody && !m.Large {
		return "", model.Errorf(model.TooLarge, "the request is larger than %d bytes", SmallBody)
	}
	return m.Target, q.call.Allowed()
}

// ReadRequest decodes params, which is an object or an array with exactly one object.
func (q *jsonrpcRequest) ReadRequest(args any) error {
	var params stdjson.RawMessage
	if err := q.json2.ReadRequest(&params); err != nil {
		return err
	}
	value := jsontext.Value(params)
	if value.Kind() == '[' {
		var list []jsontext.Value
		if err := json.Unmarshal(value, &list); err != nil || len(list) > 1 {
			return model.Errorf(model.Unreadable, "params must be an object, or an array of one object")
		}
		value = nil
		if len(list) == 1 {
			value = list[0]
		}
	}
	if len(value) == 0 {
		value = jsontext.Value("{}")
	}
	if value.Kind() != '{' {
		return model.Errorf(model.Unreadable, "params must be an object, or an array of one object")
	}
	err := q.call.setKey(q.key, value)
	if err == nil {
		q.call.Params, err = dialect.ReadParams(value, q.call.Server.Config.StrictJSON)
	}
	if err == nil {
		err = q.call.replayIfStored(q.ctx)
	}
	if err != nil {
		return err
	}
	return wire.ReadArgs(q.call.Params, args)
}

// WriteResponse runs the plan and writes its result. For a call without a result it writes an empty object.
func (q *jsonrpcRequest) WriteResponse(w http.ResponseWriter, reply any) {
	result, err := q.call.Run(q.ctx, reply.(*Plan))
	if err != nil {
		q.WriteError(w, http.StatusBadRequest, err)
		return
	}
	if b, ok := result.(*FileResult); ok {
		if len(q.call.rpcID) > 0 && q.call.rpcID.Kind() != 'n' {
			q.call.writeParts(w, `{"jsonrpc":"`+json2.Version+`","result":`, b.File, `,"id":`+string(q.call.rpcID)+"}\n")
		}
		return
	}
	text := []byte("{}")
	if result != nil {
		if text, err = json.Marshal(result); err != nil {
			q.WriteError(w, http.StatusBadRequest, err)
			return
		}
	}
	q.call.answering(w, int64(len(text)))
	q.json2.WriteResponse(w, stdjson.RawMessage(text))
}

// WriteError writes an error with our code, or a stored reply.
func (q *jsonrpcRequest) WriteError(w http.ResponseWriter, status int, err error) {
	q.call.answering(w, 0)
	var plain *json2.Error
	if errors.As(err, &plain) {
		q.json2.WriteError(w, status, plain)
		return
	}
	if a := asStoredReply(err); a != nil {
		q.again(w, status, a)
		return
	}
	e := wire.ClientError(err)
	if e.Kind == model.Internal || e.Kind == model.Unavailable {
		q.call.Cause = err
	}
	q.call.Code = wire.CodeOf(e).Number
	q.json2.WriteError(w, status, &json2.Error{Code: json2.ErrorCode(q.call.Code), Message: e.Msg, Data: detailOf(e.Detail)})
}

// detailOf returns an error's detail as JSON; nil if there is none.
func detailOf(detail any) any {
	if detail == nil {
		return nil
	}
	text, err := json.Marshal(detail)
	if err != nil {
		return nil
	}
	return stdjson.RawMessage(text)
}

// again writes a stored reply.
func (q *jsonrpcRequest) again(w http.ResponseWriter, status int, a *storedReply) {
	var e struct {
		Error   int            `json:"error"`
		Message string         `json:"message"`
		Result  jsontext.Value `json:"result"`
	}
	if err := json.Unmarshal(a.envelope, &e); err != nil {
		q.WriteError(w, status, err)
		return
	}
	q.call.Code = e.Error
	q.call.answering(w, int64(len(a.envelope)))
	if e.Error != 0 {
		q.json2.WriteError(w, status, &json2.Error{Code: json2.ErrorCode(e.Error), Message: e.Message, Data: detailOf(e.Result)})
		return
	}
	if e.Result == nil {
		e.Result = jsontext.Value("{}")
	}
	q.json2.WriteResponse(w, stdjson.RawMessage(e.Result))
}
