package beside

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/watchroute/watchroute/localstack/aws/restapi"
	"github.com/watchroute/watchroute/localstack/wall"
	settings "github.com/watchroute/watchroute/shared/function"
)

// Server is a front that listens.
type Server struct {
	*Front
	server *http.Server
	url    string
}

// Listen serves the front on the listeners, which were asked for as addr, behind a wall. If the wall
// cannot be made, the front is closed. Callers must Close the server, which closes the front too.
func (f *Front) Listen(listeners []net.Listener, addr string, o wall.Options) (*Server, error) {
	w, err := wall.New(o)
	if err != nil {
		f.Close()
		return nil, err
	}
	w.Own(addr)
	w.Own(listeners[0].Addr().String())
	s := &Server{Front: f, url: "http://" + listeners[0].Addr().String()}
	s.server = &http.Server{
		Handler:           w.Before(f, func(reason string) { f.log.Warn("request refused", "reason", reason) }),
		ReadHeaderTimeout: 10 * time.Second,
	}
	for _, l := range restapi.RememberSpelling(s.server, listeners) {
		go func() {
			if err := s.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				f.log.Error("front stopped serving", "addr", l.Addr(), "err", err)
			}
		}()
	}
	return s, nil
}

// WebSocketURL is where clients connect.
func (s *Server) WebSocketURL() string { return "ws" + s.url[len("http"):] + "/" + s.Stage }

// HTTPURL is where the REST API's paths begin, "" if there is none.
func (s *Server) HTTPURL() string {
	if s.RESTStage == "" {
		return ""
	}
	return s.url + "/" + s.RESTStage
}

// TellAddresses sets where the APIs are in the environment of the functions that tell it clients.
func (s *Server) TellAddresses(ctx context.Context) error {
	return s.tellAll(ctx, func(variables map[string]string) {
		if variables[settings.SocketURL] != "" {
			variables[settings.SocketURL], variables[settings.HTTPURL] = s.WebSocketURL(), s.HTTPURL()
		}
	})
}

// Close closes the front and no longer listens.
func (s *Server) Close() {
	s.Front.Close()
	_ = s.server.Close() // the listeners with it
}
