// A local level with a seasonal of twelve months and two regressors; sums over eleven months by two cumulative sums.
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
  vector[n + 1] total = append_row(0, cumulative_sum(seasonal));
  mu[2 : n] ~ normal(mu[1 : n - 1], sigma[2]);
  seasonal[12 : n] ~ normal(total[1 : n - 11] - total[12 : n], sigma[1]);
  y ~ normal(mu + beta * x + lambda * w + seasonal, sigma[3]);
}
