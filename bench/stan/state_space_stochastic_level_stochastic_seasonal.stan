// A local level with a seasonal of twelve months and two regressors.
data {
  int<lower=12> n;
  vector[n] y;
  vector[n] x;
  vector[n] w;
}
transformed data {
  real low = mean(y) - 3 * sd(y);
  real high = mean(y) + 3 * sd(y);
}
parameters {
  positive_ordered[3] sigma;
  vector<lower=low, upper=high>[n] mu;
  vector[n] seasonal;
  real beta;
  real lambda;
}
model {
  sigma ~ student_t(4, 0, 1);
  for (t in 2 : n) {
    mu[t] ~ normal(mu[t - 1], sigma[2]);
  }
  for (t in 12 : n) {
    seasonal[t] ~ normal(-sum(seasonal[t - 11 : t - 1]), sigma[1]);
  }
  y ~ normal(mu + beta * x + lambda * w + seasonal, sigma[3]);
}
