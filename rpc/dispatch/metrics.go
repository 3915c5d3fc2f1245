package dispatch

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"tokensmith/model"
	"tokensmith/rpc/wire"
)

// MetricsPermission is the permission for /metrics. It is not the name of a method.
const MetricsPermission = "metrics/get"

const maxScrape = 10 * time.Second // time limit for reading the database

// Metrics counts the calls of one server and reads figures from its database when it is scraped.
type Metrics struct {
	s        *Server
	calls    *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	registry *prometheus.Registry
	Handler  http.Handler

	waiting, size, deliveries, large, spool, connections, refused *prometheus.Desc
}

func newMetrics(s *Server) *Metrics {
	m := &Metrics{s: s,
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tokensmith_calls_total", Help: "Calls by method and code."}, []string{"method", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "tokensmith_call_seconds", Help: "How long calls took, by method.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10, 60}}, []string{"method"}),
		waiting:     prometheus.NewDesc("tokensmith_writer_queue", "Changes under way, or waiting for their turn to write.", nil, nil),
		large:       prometheus.NewDesc("tokensmith_large_bodies", "Large bodies in memory; the next waits for it.", nil, nil),
		spool:       prometheus.NewDesc("tokensmith_spool_bytes", "Disk taken by large bodies and replies, in steps of 4 MiB.", nil, nil),
		connections: prometheus.NewDesc("tokensmith_connections", "Open connections: of calls, and of event streams.", []string{"of"}, nil),
		refused:     prometheus.NewDesc("tokensmith_connections_refused_total", "Connections for which there was no room.", nil, nil),
		size:        prometheus.NewDesc("tokensmith_database_bytes", "Size of the database.", nil, nil),
		deliveries:  prometheus.NewDesc("tokensmith_deliveries", "Messages by status.", []string{"status"}, nil),
	}
	m.registry = prometheus.NewRegistry()
	m.registry.MustRegister(m.calls, m.seconds, m, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.Handler = promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.HTTPErrorOnError})
	return m
}

// Add registers further figures.
func (m *Metrics) Add(c prometheus.Collector) { m.registry.MustRegister(c) }

// ended counts a call that has ended. The duration of an event stream is not observed, because a stream lasts as long as its
// device wants.
func (m *Metrics) ended(name string, c *Call, took time.Duration) {
	m.calls.WithLabelValues(name, strconv.Itoa(c.Code)).Inc()
	if c.Method == nil || !c.Method.Stream {
		m.seconds.WithLabelValues(name).Observe(took.Seconds())
	}
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.waiting, m.large, m.spool, m.connections, m.refused, m.size, m.deliveries} {
		to <- d
	}
}

// Collect implements prometheus.Collector. It reads the database.
func (m *Metrics) Collect(to chan<- prometheus.Metric) {
	to <- prometheus.MustNewConstMetric(m.waiting, prometheus.GaugeValue, float64(m.s.Config.Store.Waiting()))
	to <- prometheus.MustNewConstMetric(m.large, prometheus.GaugeValue, float64(len(m.s.large)))
	to <- prometheus.MustNewConstMetric(m.spool, prometheus.GaugeValue, float64(m.s.spool.Taken()))
	open, streams, refused := m.s.Config.Connections.Count()
	to <- prometheus.MustNewConstMetric(m.connections, prometheus.GaugeValue, float64(open), "calls")
	to <- prometheus.MustNewConstMetric(m.connections, prometheus.GaugeValue, float64(streams), "events")
	to <- prometheus.MustNewConstMetric(m.refused, prometheus.CounterValue, float64(refused))
	ctx, stop := context.WithTimeout(context.Background(), maxScrape)
	defer stop()
	st, err := m.s.Config.Store.Stats(ctx)
	if err != nil {
		to <- prometheus.NewInvalidMetric(m.size, wire.ClientError(err))
		return
	}
	to <- prometheus.MustNewConstMetric(m.size, prometheus.GaugeValue, float64(st.Size))
	for _, status := range []string{model.Queued, model.Sent, model.Failed} {
		to <- prometheus.MustNewConstMetric(m.deliveries, prometheus.GaugeValue, float64(st.Deliveries[status]), status)
	}
}
