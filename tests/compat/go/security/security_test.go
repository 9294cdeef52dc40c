// franz-go against a secured node. Where everything is stands in the file that OTTLA_COMPAT_SECURITY names.
package security

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

var world = func() map[string]string {
	text, err := os.ReadFile(os.Getenv("OTTLA_COMPAT_SECURITY"))
	if err != nil {
		panic(err)
	}
	said := map[string]string{}
	for _, line := range strings.Split(string(text), "\n") {
		if k, v, ok := strings.Cut(line, "="); ok {
			said[k] = v
		}
	}
	return said
}()

func serves(mechanism string) bool {
	return strings.Contains(","+world["mechanisms"]+",", ","+mechanism+",")
}

func limited(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 180*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func client(t *testing.T, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.MetadataMinAge(50 * time.Millisecond), kgo.DialTimeout(60 * time.Second), kgo.RequestTimeoutOverhead(60 * time.Second)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

func at(listener string, mechanism sasl.Mechanism) []kgo.Opt {
	opts := []kgo.Opt{kgo.SeedBrokers(world["listener."+listener])}
	if mechanism != nil {
		opts = append(opts, kgo.SASL(mechanism))
	}
	return opts
}

// trusting gives TLS with one of the authorities, and a certificate of the client's own when it is named.
func trusting(t *testing.T, authority, certificate string) kgo.Opt {
	t.Helper()
	text, err := os.ReadFile(world["file."+authority+".crt"])
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{RootCAs: x509.NewCertPool()}
	config.RootCAs.AppendCertsFromPEM(text)
	if certificate != "" {
		pair, err := tls.LoadX509KeyPair(world["file."+certificate+".pem"], world["file."+certificate+".key"])
		if err != nil {
			t.Fatal(err)
		}
		// Also one that the broker's list of authorities does not ask for.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	return kgo.DialTLSConfig(config)
}

func token(ctx context.Context, name string) (oauth.Auth, error) {
	request, err := http.NewRequestWithContext(ctx, "POST", world["issuer"]+"/token", strings.NewReader("grant_type=client_credentials"))
	if err != nil {
		return oauth.Auth{}, err
	}
	request.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(name+":client-secret")))
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return oauth.Auth{}, err
	}
	defer answer.Body.Close()
	var said struct {
		Token string `json:"access_token"`
	}
	err = json.NewDecoder(answer.Body).Decode(&said)
	return oauth.Auth{Token: said.Token}, err
}

func login(mechanism, user, password string) sasl.Mechanism {
	if password == "" {
		password = user + "-secret"
	}
	switch mechanism {
	case "PLAIN":
		return plain.Auth{User: user, Pass: password}.AsMechanism()
	case "SCRAM-SHA-256":
		return scram.Auth{User: user, Pass: password}.AsSha256Mechanism()
	case "SCRAM-SHA-512":
		return scram.Auth{User: user, Pass: password}.AsSha512Mechanism()
	}
	return oauth.Oauth(func(ctx context.Context) (oauth.Auth, error) { return token(ctx, user) })
}

var passwords = []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"}

// everything is what a client does: administration, records in and out, a group with commits, a transaction.
func everything(t *testing.T, opts ...kgo.Opt) {
	t.Helper()
	ctx, name := limited(t), fmt.Sprintf("job-%x", rand.Int63())
	adm := kadm.NewClient(client(t, opts...))
	if _, err := adm.CreateTopic(ctx, 2, 1, nil, name); err != nil {
		t.Fatal(err)
	}
	out := client(t, append(opts, kgo.TransactionalID(name), kgo.DefaultProduceTopic(name), kgo.UnknownTopicRetries(-1))...)
	if err := out.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < 20; i++ {
		if err := out.ProduceSync(ctx, kgo.StringRecord(fmt.Sprint("v", i))).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	if err := out.EndTransaction(ctx, kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	in := client(t, append(opts, kgo.ConsumerGroup(name), kgo.ConsumeTopics(name), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.DisableAutoCommit())...)
	for n := 0; n < 20; {
		fetches := in.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		n += fetches.NumRecords()
	}
	if err := in.CommitUncommittedOffsets(ctx); err != nil {
		t.Fatal(err)
	}
}

// refused gives the error with which a client is sent away.
func refused(t *testing.T, opts ...kgo.Opt) error {
	t.Helper()
	err := client(t, append(opts, kgo.RetryTimeout(3*time.Second))...).Ping(limited(t))
	if err == nil {
		t.Fatal("it came in")
	}
	return err
}

func TestMechanisms(t *testing.T) {
	for _, mechanism := range append([]string{"OAUTHBEARER"}, passwords...) {
		t.Run(mechanism, func(t *testing.T) {
			if !serves(mechanism) {
				t.Skip("the broker does not serve it")
			}
			everything(t, at("SASL", login(mechanism, "worker", ""))...)
			everything(t, append(at("SASLTLS", login(mechanism, "worker", "")), trusting(t, "ca", ""))...)
		})
	}
}

func TestStrangersLearnNothing(t *testing.T) {
	for _, mechanism := range passwords {
		t.Run(mechanism, func(t *testing.T) {
			wrong := refused(t, at("SASL", login(mechanism, "worker", "wrong"))...)
			if !errors.Is(wrong, kerr.SaslAuthenticationFailed) {
				t.Fatal(wrong)
			}
			if unknown := refused(t, at("SASL", login(mechanism, "nobody", "wrong"))...); unknown.Error() != wrong.Error() {
				t.Fatalf("%v, and of an unknown user %v", wrong, unknown)
			}
		})
	}
}

func TestBadTokens(t *testing.T) {
	if !serves("OAUTHBEARER") {
		t.Skip("the broker does not serve OAUTHBEARER")
	}
	for _, who := range []string{"expired", "audience", "issuer", "unsigned", "forged", "nameless"} {
		t.Run(who, func(t *testing.T) {
			// The broker's first answer says what is wrong with the token; this client wants none.
			err := refused(t, at("SASL", login("OAUTHBEARER", who, ""))...)
			if !errors.Is(err, kerr.SaslAuthenticationFailed) && !strings.Contains(err.Error(), "unexpected data in oauth response") {
				t.Fatal(err)
			}
		})
	}
}

func TestDelegationTokens(t *testing.T) {
	if world["tokens"] != "true" {
		t.Skip("the broker has no delegation tokens")
	}
	ctx := limited(t)
	owner := kadm.NewClient(client(t, at("SASL", login("SCRAM-SHA-256", "worker", ""))...))
	made, err := owner.CreateDelegationToken(ctx, kadm.CreateDelegationToken{MaxLifetime: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	auth := scram.Auth{User: made.TokenID, Pass: base64.StdEncoding.EncodeToString(made.HMAC), IsToken: true}
	for _, mechanism := range []sasl.Mechanism{auth.AsSha256Mechanism(), auth.AsSha512Mechanism()} {
		// Apache Kafka's broker learns of it a moment after its controller.
		for end := time.Now().Add(90 * time.Second); client(t, at("SASL", mechanism)...).Ping(ctx) != nil && time.Now().Before(end); {
			time.Sleep(50 * time.Millisecond)
		}
		everything(t, at("SASL", mechanism)...)
	}
	auth.Pass = "d3Jvbmc="
	if err := refused(t, at("SASL", auth.AsSha256Mechanism())...); !errors.Is(err, kerr.SaslAuthenticationFailed) {
		t.Fatal(err)
	}
}

func TestMechanismThatIsNotServed(t *testing.T) {
	if err := refused(t, at("SASL", unserved{})...); !errors.Is(err, kerr.UnsupportedSaslMechanism) {
		t.Fatal(err)
	}
}

type unserved struct{ sasl.Mechanism }

func (unserved) Name() string { return "NONE-SUCH" }

func TestTLS(t *testing.T) {
	everything(t, append(at("TLS", nil), trusting(t, "ca", ""))...)
	everything(t, append(at("WANTED", nil), trusting(t, "ca", "alice"))...)
	everything(t, append(at("ASKED", nil), trusting(t, "ca", "alice"))...)
	adm := kadm.NewClient(client(t, append(at("WANTED", nil), trusting(t, "ca", "bob"))...))
	if topics, err := adm.ListTopics(limited(t)); err != nil || len(topics) != 0 {
		t.Fatal(err, topics)
	}
}

func TestBadCertificates(t *testing.T) {
	for _, c := range []struct{ listener, authority, certificate, says string }{
		{"TLS", "other-ca", "", "unknown authority"},
		{"OTHERNAME", "ca", "", "cannot validate certificate for 127.0.0.1"},
		{"EXPIRED", "ca", "", "expired"},
		{"WANTED", "ca", "", "certificate required"},
		{"WANTED", "ca", "stranger", ""},
		{"WANTED", "ca", "expired-client", ""},
		{"ASKED", "ca", "stranger", ""},
	} {
		t.Run(c.listener+"-"+c.authority+"-"+c.certificate, func(t *testing.T) {
			err := refused(t, append(at(c.listener, nil), trusting(t, c.authority, c.certificate))...)
			if c.says == "certificate required" && strings.Contains(err.Error(), "bad certificate") {
				return
			}
			if !strings.Contains(err.Error(), c.says) {
				t.Fatal(err)
			}
		})
	}
}

func TestDenials(t *testing.T) {
	ctx, name := limited(t), fmt.Sprintf("t-%x", rand.Int63())
	root := kadm.NewClient(client(t, at("SASL", login("PLAIN", "admin", ""))...))
	if _, err := root.CreateTopic(ctx, 1, 1, nil, name); err != nil {
		t.Fatal(err)
	}
	opts := at("SASL", login("SCRAM-SHA-512", "limited", ""))
	adm := kadm.NewClient(client(t, opts...))
	is := func(what string, err error, want *kerr.Error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err := adm.CreateTopic(ctx, 1, 1, nil, "made")
	is("create topic", err, kerr.TopicAuthorizationFailed)
	_, err = adm.DeleteTopic(ctx, name)
	is("delete topic", err, kerr.TopicAuthorizationFailed)
	configs, err := adm.DescribeTopicConfigs(ctx, name)
	if err == nil {
		_, err = configs.On(name, func(c *kadm.ResourceConfig) error { return c.Err })
	}
	is("describe configs", err, kerr.TopicAuthorizationFailed)
	groups, err := adm.DescribeGroups(ctx, "g")
	if err == nil {
		err = groups["g"].Err
	}
	is("describe group", err, kerr.GroupAuthorizationFailed)
	_, err = adm.DescribeUserSCRAMs(ctx, "limited")
	is("describe SCRAM", err, kerr.ClusterAuthorizationFailed)
	// Apache Kafka 4.3.1 never answers this one: making the refusal, it goes through the users that are not named.
	if world["product"] != "kafka" {
		_, err = adm.DescribeUserSCRAMs(ctx)
		is("describe SCRAM of all", err, kerr.ClusterAuthorizationFailed)
	}
	_, err = adm.DescribeClientQuotas(ctx, false, nil)
	is("describe quotas", err, kerr.ClusterAuthorizationFailed)
	is("produce", client(t, append(opts, kgo.DefaultProduceTopic(name))...).ProduceSync(ctx, kgo.StringRecord("v")).FirstErr(), kerr.TopicAuthorizationFailed)
	is("fetch", client(t, append(opts, kgo.ConsumeTopics(name))...).PollFetches(ctx).Err(), kerr.TopicAuthorizationFailed)
	_, err = adm.FetchOffsets(ctx, "g")
	is("offsets", err, kerr.GroupAuthorizationFailed)
}

func TestReauthenticationUnderLoad(t *testing.T) {
	for _, mechanism := range append([]string{"OAUTHBEARER"}, passwords...) {
		t.Run(mechanism, func(t *testing.T) {
			if !serves(mechanism) {
				t.Skip("the broker does not serve it")
			}
			t.Parallel()
			ctx, name, opts := limited(t), fmt.Sprintf("job-%x", rand.Int63()), at("AGAIN", login(mechanism, "worker", ""))
			if _, err := kadm.NewClient(client(t, opts...)).CreateTopic(ctx, 1, 1, nil, name); err != nil {
				t.Fatal(err)
			}
			out := client(t, append(opts, kgo.DefaultProduceTopic(name), kgo.UnknownTopicRetries(-1))...)
			for end := time.Now().Add(2500 * time.Millisecond); time.Now().Before(end); time.Sleep(3 * time.Millisecond) {
				if err := out.ProduceSync(ctx, kgo.StringRecord("v")).FirstErr(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}
