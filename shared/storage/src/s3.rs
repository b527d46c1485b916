//! S3 by the standard AWS configuration: credentials, region and endpoint as `aws-config` finds them.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_types::service_config::ServiceConfigKey;
use bolus_study::is_bucket_name;
use lru::LruCache;
use object_store::aws::{AmazonS3, AmazonS3Builder, AwsCredential, S3ConditionalPut};
use object_store::client::{HttpClient, HttpConnector, ReqwestConnector};
use object_store::{ClientOptions, CredentialProvider, RetryConfig};
use tokio::sync::OnceCell;

use crate::StorageError;

/// Credentials are renewed this long before they expire, so that a request and its retries end before they do.
const RENEW_BEFORE_EXPIRY: Duration = Duration::from_secs(5 * 60);
/// A store that does not accept a connection in this time is taken as failing, and the request is tried again.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A request, its body included, that takes longer is broken off and tried again.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(120);
/// After this long a failing request is given up; it stays below [`RENEW_BEFORE_EXPIRY`].
const RETRY_TIMEOUT: Duration = Duration::from_secs(180);
/// Attempts after the first, with object_store's jittered back-off between them.
const MAX_RETRIES: usize = 10;

/// The process's AWS configuration, read once, on the first use of S3.
static SETTINGS: OnceCell<S3Settings> = OnceCell::const_new();
/// Buckets that stay open; more are opened anew when they are next used. Events name buckets, so their number is anybody's to choose.
const OPEN_BUCKETS: NonZeroUsize = NonZeroUsize::new(64).expect("not zero");
/// The buckets in use, the latest first.
static BUCKETS: LazyLock<Mutex<LruCache<String, Arc<AmazonS3>>>> =
    LazyLock::new(|| Mutex::new(LruCache::new(OPEN_BUCKETS)));

/// Opens `bucket` with the process's AWS configuration.
///
/// # Errors
/// `Fatal` where the name is not a bucket's, of which nothing is asked of any server, or the bucket cannot be opened.
pub(crate) async fn open_bucket(bucket: &str) -> Result<Arc<AmazonS3>, StorageError> {
    if !is_bucket_name(bucket) {
        // Whoever made the location, no other name reaches a request.
        return Err(StorageError::fatal(format!("s3://{bucket}"), "not the name of a bucket"));
    }
    let known = || BUCKETS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(store) = known().get(bucket) {
        return Ok(Arc::clone(store));
    }
    let settings = SETTINGS.get_or_init(S3Settings::load).await;
    let store = Arc::new(settings.open(bucket).await?);
    Ok(Arc::clone(known().get_or_insert(bucket.to_owned(), || store)))
}

/// One HTTP client for all buckets, so that they share connections and none leaves any behind.
#[derive(Debug, Clone, Default)]
struct SharedClient(Arc<Mutex<Option<HttpClient>>>);

impl HttpConnector for SharedClient {
    /// The first call's options hold: they are the same for every bucket of the process.
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let mut client = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*client {
            Some(client) => Ok(client.clone()),
            None => Ok(client.insert(ReqwestConnector::default().connect(options)?).clone()),
        }
    }
}

/// What is needed to open any bucket.
#[derive(Debug)]
struct S3Settings {
    /// None for unsigned requests.
    credentials: Option<Arc<SdkCredentials>>,
    region: Option<String>,
    endpoint: Option<String>,
    client: SharedClient,
}

impl S3Settings {
    /// Reads environment and profile. Unsigned requests are made only where `AWS_SKIP_SIGNATURE` is `true` or `1`.
    async fn load() -> Self {
        let unsigned = std::env::var("AWS_SKIP_SIGNATURE").is_ok_and(|v| v == "1" || v.eq_ignore_ascii_case("true"));
        let loader = aws_config::defaults(BehaviorVersion::latest());
        let loader = if unsigned { loader.no_credentials() } else { loader };
        Self::from_sdk(&loader.load().await)
    }

    fn from_sdk(config: &SdkConfig) -> Self {
        Self {
            credentials: config.credentials_provider().map(|provider| Arc::new(SdkCredentials::new(provider))),
            region: config.region().map(ToString::to_string),
            endpoint: s3_endpoint(config),
            client: SharedClient::default(),
        }
    }

    async fn open(&self, bucket: &str) -> Result<AmazonS3, StorageError> {
        let uri = format!("s3://{bucket}");
        let wrong = |e: object_store::Error| {
            StorageError::store(&uri, "cannot open the bucket", e).with_kind(crate::ErrorKind::Fatal)
        };
        let plain_http = self.endpoint.as_deref().is_some_and(|url| url.to_ascii_lowercase().starts_with("http://"));
        let client = ClientOptions::new()
            .with_timeout(REQUEST_TIMEOUT)
            .with_connect_timeout(CONNECT_TIMEOUT)
            .with_allow_http(plain_http);
        let region = match (&self.region, &self.endpoint) {
            (Some(region), _) => region.clone(),
            (None, Some(_)) => "us-east-1".to_owned(),
            (None, None) => object_store::aws::resolve_bucket_region(bucket, &client).await.map_err(wrong)?,
        };
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(bucket)
            .with_region(region)
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            .with_client_options(client)
            .with_http_connector(self.client.clone())
            .with_retry(RetryConfig {
                max_retries: MAX_RETRIES,
                retry_timeout: RETRY_TIMEOUT,
                ..RetryConfig::default()
            });
        if let Some(endpoint) = &self.endpoint {
            // Path style: other servers seldom resolve a host name for each bucket.
            builder = builder.with_endpoint(endpoint).with_virtual_hosted_style_request(false);
        }
        builder = match &self.credentials {
            Some(credentials) => builder.with_credentials(Arc::clone(credentials) as _),
            None => builder.with_skip_signature(true),
        };
        builder.build().map_err(wrong)
    }
}

/// The endpoint by precedence: `AWS_ENDPOINT_URL_S3`, the profile's `services` section, then what holds for all services.
fn s3_endpoint(config: &SdkConfig) -> Option<String> {
    let key = ServiceConfigKey::builder().service_id("S3").env("AWS_ENDPOINT_URL").profile("endpoint_url").build().ok();
    let for_s3 = config.service_config().zip(key).and_then(|(service, key)| service.load_config(key));
    for_s3.or_else(|| config.endpoint_url().map(ToOwned::to_owned)).filter(|url| !url.is_empty())
}

/// An AWS SDK credential provider as object_store wants one: cached, and renewed before expiry.
struct SdkCredentials {
    provider: SharedCredentialsProvider,
    /// Held across the renewal on purpose: one request renews, the others wait for it instead of all asking at once.
    cached: tokio::sync::Mutex<Option<Cached>>,
}

struct Cached {
    credential: Arc<AwsCredential>,
    expiry: Option<SystemTime>,
}

impl Cached {
    fn is_valid_for(&self, span: Duration) -> bool {
        self.expiry.is_none_or(|expiry| SystemTime::now() + span < expiry)
    }
}

impl SdkCredentials {
    fn new(provider: SharedCredentialsProvider) -> Self {
        Self { provider, cached: tokio::sync::Mutex::new(None) }
    }
}

impl fmt::Debug for SdkCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The cached secret stays out of every log.
        f.write_str("SdkCredentials")
    }
}

#[async_trait]
impl CredentialProvider for SdkCredentials {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let mut cached = self.cached.lock().await;
        if let Some(valid) = cached.as_ref().filter(|found| found.is_valid_for(RENEW_BEFORE_EXPIRY)) {
            return Ok(Arc::clone(&valid.credential));
        }
        match self.provider.provide_credentials().await {
            Ok(found) => {
                let credential = Arc::new(AwsCredential {
                    key_id: found.access_key_id().to_owned(),
                    secret_key: found.secret_access_key().to_owned(),
                    token: found.session_token().map(ToOwned::to_owned),
                });
                *cached = Some(Cached { credential: Arc::clone(&credential), expiry: found.expiry() });
                Ok(credential)
            }
            Err(error) => match cached.as_ref().filter(|found| found.is_valid_for(Duration::ZERO)) {
                Some(still_valid) => {
                    tracing::warn!(%error, "credentials could not be renewed, the old ones are used until they expire");
                    Ok(Arc::clone(&still_valid.credential))
                }
                None => Err(object_store::Error::Generic { store: "AWS credentials", source: Box::new(error) }),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_config::Region;
    use aws_credential_types::Credentials;
    use aws_credential_types::provider::error::CredentialsError;
    use aws_credential_types::provider::future;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Gives credentials that live `lifetime` and fails after the first `good` calls.
    #[derive(Debug)]
    struct Fake {
        calls: Arc<AtomicUsize>,
        good: usize,
        lifetime: Option<Duration>,
    }

    impl ProvideCredentials for Fake {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            let call = self.calls.fetch_add(1, Ordering::SeqCst);
            let expiry = self.lifetime.map(|lifetime| SystemTime::now() + lifetime);
            let result = if call < self.good {
                Ok(Credentials::new(format!("key{call}"), "secret", None, expiry, "fake"))
            } else {
                Err(CredentialsError::not_loaded("no more"))
            };
            future::ProvideCredentials::ready(result)
        }
    }

    async fn keys(good: usize, lifetime: Option<Duration>) -> (Vec<Option<String>>, usize) {
        let calls = Arc::new(AtomicUsize::new(0));
        let fake = Fake { calls: Arc::clone(&calls), good, lifetime };
        let provider = SdkCredentials::new(SharedCredentialsProvider::new(fake));
        let mut keys = Vec::new();
        for _ in 0..3 {
            keys.push(provider.get_credential().await.ok().map(|credential| credential.key_id.clone()));
        }
        (keys, calls.load(Ordering::SeqCst))
    }

    #[tokio::test]
    async fn credentials_are_cached_and_renewed_before_they_expire() {
        let key = |n: usize| Some(format!("key{n}"));
        assert_eq!(keys(9, None).await, (vec![key(0); 3], 1));
        assert_eq!(keys(9, Some(Duration::from_secs(3600))).await, (vec![key(0); 3], 1));
        assert_eq!(keys(9, Some(Duration::from_secs(60))).await, (vec![key(0), key(1), key(2)], 3));
        assert_eq!(keys(1, Some(Duration::from_secs(60))).await, (vec![key(0); 3], 3));
        assert_eq!(keys(0, None).await, (vec![None; 3], 3));
    }

    #[tokio::test]
    async fn an_absent_credential_is_fatal_and_secrets_stay_out_of_debug_text() {
        let fake = Fake { calls: Arc::default(), good: 1, lifetime: None };
        let provider = SdkCredentials::new(SharedCredentialsProvider::new(fake));
        provider.get_credential().await.unwrap();
        assert!(!format!("{provider:?}").contains("secret"));
        let fake = Fake { calls: Arc::default(), good: 0, lifetime: None };
        let error = SdkCredentials::new(SharedCredentialsProvider::new(fake)).get_credential().await.unwrap_err();
        assert_eq!(StorageError::store("s3://b/k", "cannot read", error).kind, crate::ErrorKind::Fatal);
    }

    #[tokio::test]
    async fn all_buckets_share_one_client() {
        let config = SdkConfig::builder().endpoint_url("http://localhost:9").region(Region::new("x")).build();
        let settings = S3Settings::from_sdk(&config);
        assert!(settings.client.0.lock().unwrap().is_none());
        let _stores = [settings.open("one").await.unwrap(), settings.open("two").await.unwrap()];
        assert!(settings.client.0.lock().unwrap().is_some());
    }

    #[tokio::test]
    async fn open_buckets_are_bounded_and_names_that_are_none_are_never_opened() {
        for name in ["", "..", "a#b", "a?b", "a/b", "a@b", "A", "10.0.0.1"] {
            assert_eq!(open_bucket(name).await.unwrap_err().kind, crate::ErrorKind::Fatal, "{name}");
        }
        let mut buckets = BUCKETS.lock().unwrap();
        assert!(buckets.is_empty());
        let store = Arc::new(AmazonS3Builder::new().with_bucket_name("b").with_region("x").build().unwrap());
        for number in 0..3 * OPEN_BUCKETS.get() {
            buckets.put(format!("b{number}"), Arc::clone(&store));
        }
        assert_eq!(buckets.len(), OPEN_BUCKETS.get());
        buckets.clear();
    }

    #[tokio::test]
    async fn endpoint_and_region_come_from_the_sdk() {
        let config = SdkConfig::builder().endpoint_url("http://localhost:9").region(Region::new("eu-west-1")).build();
        let settings = S3Settings::from_sdk(&config);
        let store = settings.open("b").await.unwrap();
        let text = format!("{store:?}");
        assert!(text.contains("http://localhost:9/b") && text.contains("eu-west-1"), "{text}");
        let plain = S3Settings::from_sdk(&SdkConfig::builder().endpoint_url("http://localhost:9").build());
        assert!(format!("{:?}", plain.open("b").await.unwrap()).contains("us-east-1"));
    }
}
