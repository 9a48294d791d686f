// Autoregression of order K.
data {
  int<lower=0> K;
  int<lower=1> T;
  vector[T] y;
}
parameters {
  real alpha;
  vector[K] beta;
  real<lower=0> sigma;
}
model {
  alpha ~ normal(0, 10);
  beta ~ normal(0, 10);
  sigma ~ cauchy(0, 2.5);
  for (t in K + 1 : T) {
    real prediction = alpha;
    for (k in 1 : K) {
      prediction += beta[k] * y[t - k];
    }
    y[t] ~ normal(prediction, sigma);
  }
}
