// Log radon with an intercept a county, its uranium and the floor of the measurement.
data {
  int<lower=0> N;
  int<lower=1> J;
  array[N] int<lower=1, upper=J> county_idx;
  vector[N] log_uppm;
  vector[N] floor_measure;
  vector[N] log_radon;
}
transformed data {
  matrix[N, 2] X = append_col(log_uppm, floor_measure);
}
parameters {
  vector[2] beta;
  real mu_alpha;
  real<lower=0> sigma_alpha;
  real<lower=0> sigma_y;
  vector[J] alpha; // of each county, in units of sigma_alpha from mu_alpha
}
model {
  vector[J] intercept = mu_alpha + sigma_alpha * alpha;
  beta ~ normal(0, 10);
  mu_alpha ~ normal(0, 10);
  sigma_alpha ~ normal(0, 1);
  sigma_y ~ normal(0, 1);
  alpha ~ std_normal();
  log_radon ~ normal_id_glm(X, intercept[county_idx], beta, sigma_y);
}
